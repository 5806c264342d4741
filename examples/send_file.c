/* A folder to fetch from: a client writes a line with the name of a file, and gets its size and its
 * bytes. An empty line is answered with the names that there are, and an empty line.
 *
 *     send_file [ADDRESS [FOLDER]]        "127.0.0.1:7777" and "." unless given
 *
 *     $ printf '\nREADME.md\n' | nc -N 127.0.0.1 7777
 *
 * The answer is "ok SIZE" and so many bytes, or "no", and why. The kernel moves the bytes: a film
 * costs no more memory than a page. It prints the address it serves. Ctrl-C ends it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <weft.h>

static const char *folder = ".";

/* With err: why not. A cancel is nobody's answer. */
static int answer(weft_stream *client, int err, uint64_t size)
{
    char text[128];
    if (err == -ECANCELED)
        return err;
    int length = err < 0 ? snprintf(text, sizeof text, "no: %s\n", weft_error_text(err))
                         : snprintf(text, sizeof text, "ok %llu\n", (unsigned long long)size);
    return weft_write(client, text, (size_t)length);
}

static int send_open(weft_stream *client, int fd)
{
    weft_file_info info = { .size = 0 };
    int err = weft_file_stat_fd(fd, &info);
    if (err == 0 && !S_ISREG(info.mode))
        err = -EACCES;
    int told = answer(client, err, info.size);
    if (err < 0 || told < 0)
        return told;
    int64_t sent = weft_send_file(client, fd, 0, (int64_t)info.size);
    if (sent < 0)
        return (int)sent;
    return sent == (int64_t)info.size ? 0 : -EIO; /* it has shrunk: what follows would be taken for
                                                     its bytes */
}

/* What is in the folder itself, but for names that begin with a dot: "..", and what is private. */
static int send_named(weft_stream *client, const char *name)
{
    char path[1024];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (name[0] == '.' || strchr(name, '/') || length >= (int)sizeof path)
        return answer(client, -EACCES, 0);
    int fd = weft_file_open(path, O_RDONLY | O_NONBLOCK); /* else a FIFO waits for its writer */
    if (fd < 0)
        return answer(client, fd, 0);
    int err = send_open(client, fd);
    weft_file_close(fd);
    return err;
}

static int send_names(weft_stream *client)
{
    weft_directory *names;
    weft_directory_entry entry;
    char line[300];
    int err = weft_directory_open(&names, folder);
    if (err < 0)
        return answer(client, err, 0);
    while (err >= 0 && (err = weft_directory_next(names, &entry)) > 0) {
        int length = snprintf(line, sizeof line, "%s\n", entry.name);
        if (entry.type <= WEFT_ENTRY_FILE && entry.name[0] != '.')
            err = weft_write(client, line, (size_t)length);
    }
    weft_directory_close(names);
    return err < 0 ? err : weft_write(client, "\n", 1);
}

static int serve_client(weft_stream *client, void *arg)
{
    char name[256];
    ssize_t n;
    int err = 0;
    (void)arg;
    while (err >= 0 && (n = weft_read_line(client, name, sizeof name)) != WEFT_EEND) {
        if (n < 0)
            return n == WEFT_ELIMIT ? answer(client, -ENAMETOOLONG, 0) : (int)n;
        err = n > 0 ? send_named(client, name) : send_names(client);
    }
    return err;
}

static int serve(void *address)
{
    weft_listener *listener;
    int err = weft_listen(&listener, address);
    if (err < 0) {
        fprintf(stderr, "send_file: %s: %s\n", (const char *)address, weft_error_text(err));
        return err;
    }
    puts(weft_listener_address(listener));
    fflush(stdout);

    err = weft_serve_on(listener, serve_client, .max_clients = 1000);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err;
}

int main(int argc, char **argv)
{
    if (argc > 2)
        folder = argv[2];
    return weft_run(serve, argc > 1 ? argv[1] : "127.0.0.1:7777") < 0;
}
