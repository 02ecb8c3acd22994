#include <capsule.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a program does with files: all of it has to work as it does elsewhere. */
CAPSULE_TASK(everything, "allowed_files=./out") {
    capsule_value *seen = capsule_object();
    FILE *file = fopen("out/a.bin", "wb+");
    char *large = malloc(3000000);
    for (int i = 0; i < 3000000; i++) {
        large[i] = (char)(i * 7);
    }
    capsule_put(seen, "written", fwrite(large, 1, 3000000, file));
    fseek(file, 1234567, SEEK_SET);
    capsule_put(seen, "byte", fgetc(file) == (unsigned char)(1234567 * 7));
    rewind(file);
    char *again = malloc(3000000);
    capsule_put(seen, "read", fread(again, 1, 3000000, file));
    capsule_put(seen, "same", memcmp(large, again, 3000000) == 0);
    capsule_put(seen, "end", fgetc(file) == EOF && feof(file));
    fclose(file);

    struct stat facts;
    capsule_put(seen, "stat", stat("out/a.bin", &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size == 3000000);
    capsule_put(seen, "truncate", truncate("out/a.bin", 5) == 0 && stat("out/a.bin", &facts) == 0 && facts.st_size == 5);

    for (int i = 0; i < 3; i++) {
        FILE *log = fopen("out/log.txt", "a");
        fprintf(log, "line %d\n", i);
        fclose(log);
    }
    file = fopen("out/log.txt", "r");
    char text[100] = {0};
    fread(text, 1, 99, file);
    fclose(file);
    capsule_put(seen, "log", capsule_of_bytes(text, strlen(text)));

    mkdir("out/folder", 0777);
    for (int i = 0; i < 300; i++) {
        char name[40];
        snprintf(name, sizeof name, "out/folder/a rather long name %03d", i);
        close(open(name, O_CREAT | O_WRONLY, 0666));
    }
    DIR *folder = opendir("out/folder");
    int entries = 0, dots = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') {
            dots++;
        } else {
            entries++;
        }
    }
    rewinddir(folder);
    capsule_put(seen, "again", readdir(folder) != NULL);
    closedir(folder);
    capsule_put(seen, "entries", entries);
    capsule_put(seen, "dots", dots);

    capsule_put(seen, "rename", rename("out/a.bin", "out/folder/b.bin") == 0);
    capsule_put(seen, "gone", access("out/a.bin", F_OK) != 0 && errno == ENOENT);
    capsule_put(seen, "not empty", rmdir("out/folder") != 0 && errno == ENOTEMPTY);
    capsule_put(seen, "unlink", unlink("out/folder/b.bin") == 0);
    capsule_put(seen, "exclusive", open("out/log.txt", O_CREAT | O_EXCL | O_WRONLY, 0666) < 0 && errno == EEXIST);
    capsule_put(seen, "bad descriptor", close(999) != 0 && errno == EBADF);
    int pair = open("out/log.txt", O_RDWR);
    char part[5] = {0};
    capsule_put(seen, "pread", pread(pair, part, 4, 5) == 4 && strcmp(part, "0\nli") == 0);
    capsule_put(seen, "pwrite", pwrite(pair, "L", 1, 0) == 1 && lseek(pair, 0, SEEK_CUR) == 0);
    capsule_put(seen, "seek", lseek(pair, 0, SEEK_END) == 21 && lseek(pair, -1, SEEK_SET) < 0 && errno == EINVAL);
    close(pair);
    return capsule_return(seen);
}

/* Everything that it must not reach: errno for each. */
CAPSULE_TASK(outside, "allowed_files=./data:ro") {
    capsule_value *errors = capsule_array();
    const char *paths[] = {"/etc/passwd", "../secret.txt", "data/../../secret.txt", "secret.txt", "data/link"};
    for (int i = 0; i < 5; i++) {
        FILE *file = fopen(paths[i], "r");
        capsule_append(errors, file == NULL ? "refused" : paths[i]);
    }
    capsule_append(errors, fopen("data/new.txt", "w") == NULL ? "refused" : "written");
    capsule_append(errors, mkdir("data/folder", 0777) != 0 ? "refused" : "made");
    capsule_append(errors, unlink("data/in.txt") != 0 ? "refused" : "removed");
    return capsule_return(errors);
}
