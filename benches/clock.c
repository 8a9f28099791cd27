/* Runs a command and writes how it ended and what it took: clock OUTPUT COMMAND ARGUMENT…
 *
 * The output file gets one line: exit status, wall time in nanoseconds, processor time of user and system in
 * microseconds, peak resident memory in KiB. The peak is that of the command and of the processes that it waited
 * for. It is asked here and not in the benchmark's interpreter, because a process begins with the peak of the one
 * that it was forked from. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

int main(int argc, char **argv) {
    if (argc < 3) {
        fputs("usage: clock OUTPUT COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage used;
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        perror("clock");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    long long nanos = (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec);
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        perror(argv[1]);
        return 2;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    fprintf(out, "%d %lld %ld %ld %ld\n", code, nanos, micros(used.ru_utime), micros(used.ru_stime), used.ru_maxrss);
    return fclose(out) == 0 ? 0 : 2;
}
