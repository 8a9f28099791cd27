/* The bare minimum of 10,000 file checks: lstat FILE, where each line of FILE is "MODE UID GID PATH", MODE in octal.
 *
 * Every path is looked at once and compared; what differs is printed. Ends with 1 where something differs, with 2
 * where something could not be looked at. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
    FILE *list = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!list) {
        fputs("usage: lstat FILE\n", stderr);
        return 2;
    }
    char line[8192], path[4096];
    unsigned mode, uid, gid;
    unsigned long seen = 0, differ = 0, unread = 0;
    while (fgets(line, sizeof line, list)) {
        if (sscanf(line, "%o %u %u %4095[^\n]", &mode, &uid, &gid, path) != 4) {
            fprintf(stderr, "not a line of the list: %s", line);
            return 2;
        }
        struct stat found;
        seen++;
        if (lstat(path, &found) != 0) {
            perror(path);
            unread++;
        } else if (!S_ISREG(found.st_mode) || (found.st_mode & 07777) != mode || found.st_uid != uid || found.st_gid != gid) {
            printf("%s: mode %04o, owner %u, group %u\n", path, found.st_mode & 07777, found.st_uid, found.st_gid);
            differ++;
        }
    }
    printf("%lu seen, %lu differ, %lu unread\n", seen, differ, unread);
    return unread ? 2 : differ ? 1 : 0;
}
