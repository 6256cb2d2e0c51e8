/* The least that a program can do to run N others: one thread, at most K of them alive, results thrown away.
 * usage: spawn_inflight N K PROGRAM */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: spawn_inflight N K PROGRAM\n");
        return 64;
    }
    long wanted = atol(argv[1]), room = atol(argv[2]), started = 0, ended = 0;
    char *task[] = {argv[3], NULL};
    while (ended < wanted) {
        if (started < wanted && started - ended < room) {
            pid_t pid;
            if (posix_spawn(&pid, argv[3], NULL, NULL, task, environ) != 0) {
                perror(argv[3]);
                return 1;
            }
            started++;
        } else if (wait(NULL) > 0) {
            ended++;
        }
    }
    return 0;
}
