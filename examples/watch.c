/* Settings that are read again whenever their file is written: no restart, and nobody polls.
 *
 *     watch FILE
 *
 * FILE has lines "name = value"; what is there is counted and printed. Many editors write another
 * file and rename it, so the folder is watched, and what happens to FILE's name there. Ctrl-C ends
 * it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>

struct settings {
    char text[16384];
    int count;
};

static int read_whole(const char *path, char *text, size_t size)
{
    int fd = weft_file_open(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return fd;
    size_t used = 0;
    ssize_t n;
    while ((n = weft_file_read_at(fd, text + used, size - used, (int64_t)used)) > 0)
        used += (size_t)n;
    weft_file_close(fd);
    if (n < 0 || used == size)
        return n < 0 ? (int)n : -EFBIG;
    text[used] = '\0';
    return 0;
}

static int count_lines(const char *text)
{
    int count = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        count += text[0] != '#' && memchr(text, '=', strcspn(text, "\n")) != NULL;
    return count;
}

/* All of the new ones, or those from before: who uses them never sees a half. */
static int load(struct settings *settings, const char *path)
{
    struct settings fresh;
    int err = read_whole(path, fresh.text, sizeof fresh.text);
    if (err == -ECANCELED)
        return err;
    if (err == 0) {
        fresh.count = count_lines(fresh.text);
        *settings = fresh;
        printf("%d settings\n", settings->count);
    } else {
        printf("%d settings stay: %s\n", settings->count, weft_error_text(err));
    }
    fflush(stdout);
    return 0;
}

static int follow(weft_directory_watch *watch, const char *path)
{
    static struct settings settings;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char folder[1024];
    weft_directory_event event = { .name = name };
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
    int err =
        weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_WRITTEN | WEFT_DIRECTORY_MOVED_TO);
    if (err > 0) /* the watch came first: what is written from here on is told */
        err = load(&settings, path);
    while (err >= 0 && (err = weft_directory_watch_next(watch, &event)) >= 0) {
        if (event.changes & WEFT_DIRECTORY_GONE)
            return -ENOENT;
        if (strcmp(event.name, name) == 0 || event.changes & WEFT_DIRECTORY_LOST)
            err = load(&settings, path);
    }
    return err;
}

static int run_watch(void *path)
{
    weft_directory_watch *watch;
    int err = weft_directory_watch_open(&watch);
    if (err < 0)
        return err;
    err = follow(watch, path);
    weft_directory_watch_close(watch);
    if (err != -ECANCELED)
        fprintf(stderr, "watch: %s: %s\n", (const char *)path, weft_error_text(err));
    return err == -ECANCELED ? 0 : err;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: watch FILE\n"), 2;
    return weft_run(run_watch, argv[1]) < 0;
}
