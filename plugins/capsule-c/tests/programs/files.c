#include <capsule.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

CAPSULE_TASK(main, "allowed_files=./data:ro,./out") {
    FILE *in = fopen("data/in.txt", "r");
    FILE *out = fopen("out/out.txt", "w");
    if (in == NULL || out == NULL) {
        return capsule_error("can't open a file: %s", strerror(errno));
    }
    for (int c; (c = fgetc(in)) != EOF;) {
        fputc(toupper(c), out);
    }
    fclose(in);
    fclose(out);
    bool secret = fopen("secret.txt", "r") != NULL;
    bool written = fopen("data/new.txt", "w") != NULL;
    return capsule_return(capsule_object("secret", secret ? "read" : NULL, "written", written));
}
