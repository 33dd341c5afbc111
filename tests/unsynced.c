/* Makes syncing to the disk cost nothing, for the tests of `make quick` and `make test`.

   What they kill is processes, never the machine, and what a process has written survives it in the kernel's memory.
   A sync is most of the time of many tests, and on a busy disk ten times as much. Loaded by LD_PRELOAD; the test that
   looks for the system calls themselves takes it off. A descriptor that is not open, or of a
   pipe or socket, is still an error. */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

static int is_open(int file) { return fcntl(file, F_GETFD) == -1 ? -1 : 0; }

static int can_sync(int file)
{
    struct stat found;
    if (fstat(file, &found) != 0)
        return -1;
    if (S_ISFIFO(found.st_mode) || S_ISSOCK(found.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

int fsync(int file) { return can_sync(file); }
int fdatasync(int file) { return can_sync(file); }
int syncfs(int file) { return is_open(file); }
int msync(void *start, size_t length, int flags) { (void)start; (void)length; (void)flags; return 0; }
