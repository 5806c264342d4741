/* A fuzz target without a fuzzer: runs it over every file of the folders named, for compilers that
 * have no libFuzzer and for the suite, where the corpus is a regression test. */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_MAX = 1 << 20 };

/* The bytes lie in an allocation of exactly their size, as a fuzzer's do. */
static int replay_file(const char *path)
{
    static uint8_t buffer[FILE_MAX];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return -1;
    }
    size_t size = fread(buffer, 1, sizeof(buffer), file);
    fclose(file);
    uint8_t *data = malloc(size ? size : 1);
    if (!data)
        return -1;
    memcpy(data, buffer, size);
    fprintf(stderr, "%s\n", path); /* the last line names the culprit of an abort */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

/* Returns how many files ran, or -1. */
static int replay_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    int count = 0;
    if (!directory) {
        perror(folder);
        return -1;
    }
    for (struct dirent *entry; count >= 0 && (entry = readdir(directory));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        count = len < (int)sizeof(path) && replay_file(path) == 0 ? count + 1 : -1;
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);
        if (count <= 0) {
            fprintf(stderr, "%s: nothing replayed\n", argv[i]);
            return 1;
        }
        printf("%s: %d inputs\n", argv[i], count);
    }
    return argc < 2;
}
