/* Makes syncing to the disk cost nothing, for the tests of `make quick` and `make test`.

   What they kill is processes, never the machine, and what a process has written survives it in the kernel's memory.
   A sync is most of the time of many tests, and on a busy disk ten times as much. Loaded by LD_PRELOAD; the test that
   looks for the system calls themselves takes it off. */

int fsync(int file) { (void)file; return 0; }
int fdatasync(int file) { (void)file; return 0; }
int syncfs(int file) { (void)file; return 0; }
int msync(void *start, unsigned long length, int flags) { (void)start; (void)length; (void)flags; return 0; }
