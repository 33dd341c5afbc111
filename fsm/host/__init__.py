"""One host: its configuration, checking and admission, which release, sets, the doctor, quick answers, the boot."""
