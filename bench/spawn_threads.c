/* As spawn_inflight, with K threads that each run one program at a time.
 * usage: spawn_threads N K PROGRAM */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define THREADS_MAX 256

extern char **environ;
static atomic_long taken;
static long wanted;
static char *program;

static void *work(void *unused) {
    char *task[] = {program, NULL};
    while (atomic_fetch_add(&taken, 1) < wanted) {
        pid_t pid;
        int status;
        if (posix_spawn(&pid, program, NULL, NULL, task, environ) != 0) {
            perror(program);
            exit(1);
        }
        waitpid(pid, &status, 0);
    }
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: spawn_threads N K PROGRAM\n");
        return 64;
    }
    pthread_t threads[THREADS_MAX];
    long count = atol(argv[2]);
    wanted = atol(argv[1]);
    program = argv[3];
    if (count < 1 || count > THREADS_MAX) {
        fprintf(stderr, "K is from 1 to %d\n", THREADS_MAX);
        return 64;
    }
    for (long i = 0; i < count; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (long i = 0; i < count; i++) pthread_join(threads[i], NULL);
    return 0;
}
