/*
 * reaper - runs a command and waits for all that comes of it, also for processes that have left their parents: their CPU
 * time is then in its own account (cutime of /proc/PID/stat). SIGTERM and SIGINT go to the command; the end of the
 * command is its end, with the same exit code.
 *
 *   cc -O2 -Wall -o reaper reaper.c
 *   reaper COMMAND [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;

static void pass_on(int s) { if (child > 0) kill(child, s); }

int main(int argc, char **argv) {
    if (argc < 2) { fputs("reaper COMMAND [ARGUMENT...]\n", stderr); return 2; }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L)) { perror("prctl"); return 1; }
    child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (!child) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    struct sigaction sa = {.sa_handler = pass_on};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    for (;;) {
        int status;
        pid_t ended = waitpid(-1, &status, 0);
        if (ended < 0 && errno == EINTR) continue;
        if (ended < 0) return 1;
        if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}
