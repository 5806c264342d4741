#include "target.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const struct protocol *const protocols[] = { &http_protocol, &echo_protocol,
                                                    &redis_protocol };

/* A URL in pieces. */
struct place {
    const struct protocol *protocol;
    bool is_unix;
    char authority[TARGET_TEXT_MAX]; /* host[:port], or the socket's path */
    const char *path;                /* "" where there is none */
};

static int refuse(char *why, const char *url, const char *what)
{
    snprintf(why, TARGET_TEXT_MAX, "%s: %s", url, what);
    return -EINVAL;
}

/* The scheme, and what follows it; NULL: not known. */
static const char *read_scheme(struct place *place, const char *url)
{
    if (strncmp(url, "unix:", 5) == 0) {
        place->protocol = &http_protocol;
        place->is_unix = true;
        return url + 5;
    }
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        size_t size = strlen(protocols[i]->scheme);
        if (strncmp(url, protocols[i]->scheme, size) != 0)
            continue;
        place->protocol = protocols[i];
        place->is_unix = strncmp(url + size, "+unix:", 6) == 0;
        if (place->is_unix || strncmp(url + size, "://", 3) == 0)
            return url + size + (place->is_unix ? 6 : 3);
    }
    return NULL;
}

static int read_place(struct place *place, const char *url, char *why)
{
    const char *rest = read_scheme(place, url);
    if (rest == NULL)
        return refuse(why, url, "not a URL that begins with http://, unix:, redis:// or echo://");
    const char *path = place->is_unix ? strstr(rest, ":/") : strpbrk(rest, "/?#");
    size_t size = path != NULL ? (size_t)(path - rest) : strlen(rest);
    place->path = path == NULL ? "" : place->is_unix ? path + 1 : path;
    if (size == 0)
        return refuse(why, url, "there is no host in it");
    if (size >= sizeof place->authority)
        return refuse(why, url, "its host is too long");
    memcpy(place->authority, rest, size);
    place->authority[size] = '\0';
    if (strpbrk(url, " \t\r\n") != NULL)
        return refuse(why, url, "there are blanks in it");
    return strchr(place->authority, '@') == NULL || place->is_unix
               ? 0
               : refuse(why, url, "users and passwords are not for here; -H has a place for them");
}

static int resolve_unix(struct target *target, const char *path, char *why)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&target->address;
    if (strlen(path) >= sizeof address->sun_path)
        return refuse(why, path, "the path of a Unix socket is at most 107 bytes long");
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path) + 1);
    target->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return 0;
}

/* Divide "host:port", "[v6]:port", "host" in place. */
static void divide(char *authority, char **host, char **port)
{
    char *end = authority[0] == '[' ? strchr(authority, ']') : NULL;
    *host = authority + (end != NULL);
    *port = strrchr(end != NULL ? end : authority, ':');
    if (*port != NULL)
        *(*port)++ = '\0';
    if (end != NULL)
        *end = '\0';
}

static bool is_port(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 &&
           atoi(text) <= UINT16_MAX;
}

static int resolve(struct target *target, const struct place *place, char *why)
{
    char text[TARGET_TEXT_MAX], *host, *port;
    if (place->is_unix)
        return resolve_unix(target, place->authority, why);
    memcpy(text, place->authority, sizeof text);
    divide(text, &host, &port);
    if (port == NULL && place->protocol->port == NULL)
        return refuse(why, target->url, "it needs a port");
    if (port != NULL && !is_port(port))
        return refuse(why, target->url, "its port is not a number below 65536");
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found;
    int error = getaddrinfo(host, port != NULL ? port : place->protocol->port, &hints, &found);
    if (error != 0)
        return refuse(why, target->url, gai_strerror(error));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int target_init(struct target *target, const char *url, const struct request_options *options,
                char why[TARGET_TEXT_MAX])
{
    struct place place = { 0 };
    *target = (struct target){ .weight = 1, .expected.size = TARGET_ANY_SIZE };
    target->url = strdup(url);
    int err = target->url != NULL ? read_place(&place, url, why) : -ENOMEM;
    if (err == 0)
        err = resolve(target, &place, why);
    if (err == 0) {
        target->protocol = place.protocol;
        err = place.protocol->render(target, place.is_unix ? "localhost" : place.authority,
                                     place.path, options);
        if (err == -EINVAL)
            refuse(why, url, "a method, header or path that may not be sent as it is");
    }
    if (err == -ENOMEM)
        refuse(why, url, "out of memory");
    if (err != 0)
        target_fini(target);
    return err;
}

void target_fini(struct target *target)
{
    free(target->url);
    free(target->request);
    free(target->learned);
    *target = (struct target){ 0 };
}

int target_expect(struct target *target, int status, const char *body, uint64_t size)
{
    char *copy = NULL;
    if (body != NULL) {
        copy = malloc(size > 0 ? size : 1);
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, body, size);
    }
    free(target->learned);
    target->learned = copy;
    target->expected = (struct expectation){ status, size, copy };
    return 0;
}

int bytes_add(struct bytes *bytes, const char *data, size_t size)
{
    if (size > bytes->room - bytes->size) {
        size_t room = bytes->room > 0 ? bytes->room : 1024;
        while (room < bytes->size + size)
            room *= 2;
        char *larger = realloc(bytes->data, room);
        if (larger == NULL)
            return -ENOMEM;
        bytes->data = larger;
        bytes->room = room;
    }
    if (size > 0)
        memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return 0;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){ 0 };
}
