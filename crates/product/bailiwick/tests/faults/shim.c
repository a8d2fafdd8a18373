/* Faults of a disk, put between the program and libc (LD_PRELOAD). A control file says `OP KIND N`: the N-th `fsync` or
   `write` from then on, to a file of the data folder, fails, is cut short, or is the process's last. `all readonly 0`:
   each of them fails, as on a disk that the kernel has made read-only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char last[64];
static long count;

enum kind { NONE, FAIL, SHORT, KILL, READONLY };

static int ours(int fd) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return strstr(path, "/data/") != NULL;
}

static enum kind fault(const char *op, int fd) {
  const char *file = getenv("FAULT_FILE");
  if (!file || !ours(fd)) return NONE;
  char text[64] = {0}, wanted[16], kind[16];
  long number;
  int control = open(file, O_RDONLY | O_CLOEXEC);
  if (control < 0) return NONE;
  ssize_t length = read(control, text, sizeof text - 1);
  close(control);
  if (length <= 0 || sscanf(text, "%15s %15s %ld", wanted, kind, &number) != 3) return NONE;
  if (!strcmp(kind, "readonly")) return READONLY;
  if (strcmp(wanted, op)) return NONE;
  pthread_mutex_lock(&guard);
  if (strcmp(last, text)) {
    memcpy(last, text, sizeof last);
    count = 0;
  }
  long now = ++count;
  pthread_mutex_unlock(&guard);
  if (now != number) return NONE;
  if (!strcmp(kind, "kill")) return KILL;
  return !strcmp(kind, "short") ? SHORT : FAIL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int synced(int (*real)(int), int fd) {
  switch (fault("fsync", fd)) {
  case KILL: kill(getpid(), SIGKILL); for (;;) pause();
  case FAIL: case SHORT: errno = EIO; return -1;
  case READONLY: errno = EROFS; return -1;
  default: return real(fd);
  }
}

int fsync(int fd) { return synced(REAL(fsync), fd); }
int fdatasync(int fd) { return synced(REAL(fdatasync), fd); }

static size_t written(int fd, size_t size, int *failed) {
  switch (fault("write", fd)) {
  case KILL: *failed = 2; return size / 2;
  case SHORT: *failed = 1; return size / 2;
  case FAIL: *failed = 1; return 0;
  case READONLY: *failed = 3; return 0;
  default: return size;
  }
}

static ssize_t after(ssize_t done, int failed) {
  if (failed == 2) { kill(getpid(), SIGKILL); for (;;) pause(); }
  if (failed) { errno = failed == 3 ? EROFS : ENOSPC; return -1; }
  return done;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  int failed = 0;
  size_t part = written(fd, size, &failed);
  return after(part ? REAL(write)(fd, bytes, part) : 0, failed);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  int failed = 0;
  size_t part = written(fd, size, &failed);
  return after(part ? REAL(pwrite64)(fd, bytes, part, at) : 0, failed);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }
