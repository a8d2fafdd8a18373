/* Faults of a disk, put between the program and libc (LD_PRELOAD). A control file says `OP KIND N`: the N-th `fsync`,
   `write` or `read` from then on, of a file of the data folder, fails, is cut short, or is the process's last; or the
   power goes (`power`): the process ends, and whatever it wrote to a file since that file's last `fsync` is lost; or the
   disk is `gone`: that one fails, and each after it. `all readonly 0`: all but reads fail, as on a disk that the kernel
   has made read-only. Each process counts for itself, anew for each text of the control file; the file `FAULT_FIRED` is
   there once a counted fault came. */
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char last[64];
static long count;

enum kind { NONE, FAIL, SHORT, KILL, POWER, READONLY };

/* Whoever asked for the fault learns that it came. */
static void tell(void) {
  const char *file = getenv("FAULT_FIRED");
  int told = file ? open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (told >= 0) close(told);
}

/* The folder itself, too: names in it last once it was synced. */
static int ours(int fd) {
  char link[64], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 2);
  if (length < 0) return 0;
  path[length] = '/';
  path[length + 1] = 0;
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
  int gone = !strcmp(kind, "gone");
  if (gone ? now < number : now != number) return NONE;
  tell();
  if (!strcmp(kind, "kill")) return KILL;
  if (!strcmp(kind, "power")) return POWER;
  return !strcmp(kind, "short") ? SHORT : FAIL;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Power loss. What a file held before each write since its last `fsync` is remembered, the newest first, and put back
   before the process is killed, as if the write had never left the page cache. Names (creation, renaming, removal) and what opening
   a file anew cuts off stay as they are.
   SQLite's shared memory is written by mapping and made anew after a crash: it is left alone. */
struct undo {
  struct undo *before;
  dev_t dev;
  ino_t ino;
  int fd;
  long number;
  off_t at, length;
  size_t size;
  char old[];
};
struct own { dev_t dev; ino_t ino; int fd; };

static pthread_mutex_t undoing = PTHREAD_MUTEX_INITIALIZER;
static struct undo *newest;
static long numbered;
static struct own own[4096];
static int owned;

/* One descriptor of our own for each file, whatever becomes of its name. It is never closed: that would end the locks that
   the process has on the file (POSIX). */
static int own_fd(int fd, const struct stat *about) {
  for (int at = 0; at < owned; at++)
    if (own[at].dev == about->st_dev && own[at].ino == about->st_ino) return own[at].fd;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int opened = owned < 4096 ? open(link, O_RDWR | O_CLOEXEC) : -1;
  if (opened >= 0) own[owned++] = (struct own){about->st_dev, about->st_ino, opened};
  return opened;
}

static int lasts(int fd, struct stat *about) {
  char link[64], path[512];
  if (!getenv("FAULT_POWER") || !ours(fd) || fstat(fd, about) || !S_ISREG(about->st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 4) return 0;
  path[length] = 0;
  return strcmp(path + length - 4, "-shm") != 0;
}

static void remember(int fd, off_t at, size_t size) {
  int saved = errno;
  struct stat about;
  if (lasts(fd, &about)) {
    pthread_mutex_lock(&undoing);
    int file = own_fd(fd, &about);
    struct undo *one = file < 0 ? NULL : malloc(sizeof *one + size);
    if (one) {
      ssize_t got = size ? syscall(SYS_pread64, file, one->old, size, at) : 0;
      one->before = newest;
      one->dev = about.st_dev;
      one->ino = about.st_ino;
      one->fd = file;
      one->number = ++numbered;
      one->at = at;
      one->length = about.st_size;
      one->size = got > 0 ? (size_t)got : 0;
      newest = one;
    }
    pthread_mutex_unlock(&undoing);
  }
  errno = saved;
}

static void forget(const struct stat *about, long upto) {
  pthread_mutex_lock(&undoing);
  for (struct undo **at = &newest; *at;) {
    struct undo *one = *at;
    if (one->dev == about->st_dev && one->ino == about->st_ino && one->number <= upto) {
      *at = one->before;
      free(one);
    } else {
      at = &one->before;
    }
  }
  pthread_mutex_unlock(&undoing);
}

static _Noreturn void lose_power(void) {
  pthread_mutex_lock(&undoing);
  for (struct undo *one = newest; one; one = one->before) {
    if (one->size) syscall(SYS_pwrite64, one->fd, one->old, one->size, one->at);
    syscall(SYS_ftruncate, one->fd, one->length);
  }
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static int synced(int (*real)(int), int fd) {
  switch (fault("fsync", fd)) {
  case KILL: kill(getpid(), SIGKILL); for (;;) pause();
  case POWER: lose_power();
  case FAIL: case SHORT: errno = EIO; return -1;
  case READONLY: errno = EROFS; return -1;
  default: break;
  }
  struct stat about;
  int kept = lasts(fd, &about);
  pthread_mutex_lock(&undoing);
  long upto = numbered;
  pthread_mutex_unlock(&undoing);
  int done = real(fd);
  if (kept && !done) forget(&about, upto);
  return done;
}

int fsync(int fd) { return synced(REAL(fsync), fd); }
int fdatasync(int fd) { return synced(REAL(fdatasync), fd); }

static size_t written(int fd, size_t size, int *failed) {
  switch (fault("write", fd)) {
  case KILL: *failed = 2; return size / 2;
  case POWER: lose_power();
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

static int unreadable(int fd) {
  if (fault("read", fd) != FAIL) return 0;
  errno = EIO;
  return 1;
}

ssize_t read(int fd, void *bytes, size_t size) {
  return unreadable(fd) ? -1 : syscall(SYS_read, fd, bytes, size);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) {
  return unreadable(fd) ? -1 : syscall(SYS_pread64, fd, bytes, size, at);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) { return pread64(fd, bytes, size, at); }

ssize_t write(int fd, const void *bytes, size_t size) {
  int failed = 0;
  size_t part = written(fd, size, &failed);
  struct stat about;
  if (part && lasts(fd, &about)) {
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    remember(fd, appends ? about.st_size : lseek(fd, 0, SEEK_CUR), part);
  }
  return after(part ? REAL(write)(fd, bytes, part) : 0, failed);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  int failed = 0;
  size_t part = written(fd, size, &failed);
  if (part) remember(fd, at, part);
  return after(part ? REAL(pwrite64)(fd, bytes, part, at) : 0, failed);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

int ftruncate64(int fd, off64_t length) {
  struct stat about;
  if (lasts(fd, &about)) remember(fd, length, about.st_size > length ? (size_t)(about.st_size - length) : 0);
  return REAL(ftruncate64)(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
