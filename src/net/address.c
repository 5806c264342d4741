#include "net/address.h"

#include "base/error.h"
#include "base/memory.h"
#include "core/blocking.h"
#include "core/loop.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text. */

static int bad(const char *text, const char *why)
{
    return wf_fail(-EINVAL, "the address '%.100s' %s", text, why);
}

static bool is_port(const char *text)
{
    size_t size = strspn(text, "0123456789");
    return size > 0 && size <= 5 && !text[size] && strtol(text, NULL, 10) <= 65535;
}

static int parse_inet(const char *text, struct wf_address_text *out)
{
    const char *host = text, *colon = strrchr(text, ':');
    if (!colon || !is_port(colon + 1))
        return bad(text, "has no port");
    size_t size = (size_t)(colon - host);
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    } else if (memchr(host, '[', size)) {
        return bad(text, "has brackets that do not hold its host");
    } else if (memchr(host, ':', size)) {
        return bad(text, "needs brackets around its IPv6 address");
    }
    if (size > WF_ADDRESS_HOST_MAX)
        return bad(text, "is too long");
    memcpy(out->host, host, size);
    out->host[size] = '\0';
    snprintf(out->port, sizeof out->port, "%s", colon + 1);
    return 0;
}

int wf_address_parse(const char *text, struct wf_address_text *out)
{
    memset(out, 0, sizeof *out);
    if (!text || !*text)
        return bad("", "is empty");
    if (strncmp(text, "mem:", 4) == 0) {
        out->kind = WF_ADDRESS_MEMORY;
        out->path = text + 4;
        bool fits = strlen(out->path) <= WF_ADDRESS_NAME_MAX;
        return *out->path && fits ? 0 : bad(text, "has no name, or one of more than 100 bytes");
    }
    if (strncmp(text, "unix:", 5) == 0) {
        out->kind = WF_ADDRESS_UNIX;
        out->path = text + 5;
        bool fits = strlen(out->path) < sizeof((struct sockaddr_un *)0)->sun_path;
        return *out->path && fits ? 0 : bad(text, "has no path, or one that is too long");
    }
    out->kind = WF_ADDRESS_INET;
    bool is_said = strncmp(text, "tcp:", 4) == 0 && strchr(text + 4, ':');
    return parse_inet(is_said ? text + 4 : text, out);
}

/* An IPv4 client of an IPv6 listener is told as what it is. */
static void format_inet6(const struct sockaddr_in6 *in6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(in6->sin6_port));
    } else {
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
    }
}

static void format_inet(const struct wf_address *address, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN] = "?";
    if (address->any.sa_family == AF_INET6) {
        format_inet6((const void *)&address->storage, text, size);
    } else {
        const struct sockaddr_in *in = (const void *)&address->storage;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
    }
}

void wf_address_format(const struct wf_address *address, char *text, size_t size)
{
    if (address->any.sa_family != AF_UNIX) {
        format_inet(address, text, size);
        return;
    }
    size_t used = offsetof(struct sockaddr_un, sun_path);
    size_t path = address->size > used ? strnlen(address->local.sun_path, address->size - used) : 0;
    snprintf(text, size, "unix:%.*s", (int)path, address->local.sun_path);
}

/* Names. The job owns all it uses, so that a cancel can leave it behind. */

struct lookup {
    char host[WF_ADDRESS_HOST_MAX + 1];
    char port[8];
    struct addrinfo hints;
    struct addrinfo *result;
    int error; /* EAI_… */
};

static int look_up(void *arg)
{
    struct lookup *lookup = arg;
    const char *host = lookup->host[0] ? lookup->host : NULL;
    lookup->error = getaddrinfo(host, lookup->port, &lookup->hints, &lookup->result);
    return 0;
}

static void drop_lookup(void *arg)
{
    struct lookup *lookup = arg;
    if (lookup->result)
        freeaddrinfo(lookup->result);
    wf_free(lookup);
}

static struct lookup *new_lookup(const struct wf_address_text *text, bool passive)
{
    struct lookup *lookup = wf_alloc_zero(sizeof *lookup);
    if (!lookup)
        return NULL;
    memcpy(lookup->host, text->host, sizeof lookup->host);
    memcpy(lookup->port, text->port, sizeof lookup->port);
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : AI_ADDRCONFIG);
    return lookup;
}

static int copy_addresses(const struct addrinfo *list, struct wf_address *out, int max)
{
    int count = 0;
    for (; list && count < max; list = list->ai_next) {
        if (list->ai_addrlen > sizeof out->storage)
            continue;
        memcpy(&out[count].storage, list->ai_addr, list->ai_addrlen);
        out[count++].size = list->ai_addrlen;
    }
    return count;
}

static int take_result(const struct lookup *lookup, struct wf_address *out, int max)
{
    if (lookup->error == EAI_MEMORY)
        return wf_fail(-ENOMEM, "no memory to look up '%s'", lookup->host);
    if (lookup->error)
        return wf_fail(WEFT_EDNS, "'%s': %s", lookup->host, gai_strerror(lookup->error));
    int count = copy_addresses(lookup->result, out, max);
    return count > 0 ? count : wf_fail(WEFT_EDNS, "'%s' has no address", lookup->host);
}

static int resolve_name(weft_loop *loop, const struct wf_address_text *text, bool passive,
                        struct wf_address *out, int max)
{
    if (!wf_in_task(loop))
        return wf_misuse(-EPERM, "the name '%s' can only be looked up in a task", text->host);
    struct lookup *lookup = new_lookup(text, passive);
    if (!lookup)
        return wf_fail(-ENOMEM, "no memory to look up '%s'", text->host);
    struct weft_blocking_options options = { .arg = lookup,
                                             .abandon = drop_lookup,
                                             .function = "getaddrinfo" };
    int err = wf_blocking_on(loop, wf_loop_resolver(loop), look_up, &options);
    if (err == -ECANCELED)
        return err;
    if (err >= 0)
        err = take_result(lookup, out, max);
    drop_lookup(lookup);
    return err;
}

/* Literals need no lookup: getaddrinfo would read files, and load modules, for nothing. */
static bool resolve_literal(const struct wf_address_text *text, bool passive,
                            struct wf_address *out)
{
    in_port_t port = htons((uint16_t)strtol(text->port, NULL, 10));
    struct sockaddr_in *in = (void *)&out->storage;
    struct sockaddr_in6 *in6 = (void *)&out->storage;
    memset(out, 0, sizeof *out);
    const char *host = text->host[0] ? text->host : passive ? "0.0.0.0" : "127.0.0.1";
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = port;
        out->size = sizeof *in;
    } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        out->size = sizeof *in6;
    }
    return out->size > 0;
}

static void local_address(const char *path, struct wf_address *out)
{
    memset(out, 0, sizeof *out);
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, path, strlen(path) + 1);
    out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

int wf_address_resolve(weft_loop *loop, const struct wf_address_text *text, bool passive,
                       struct wf_address *out, int max)
{
    if (text->kind == WF_ADDRESS_UNIX) {
        local_address(text->path, out);
        return 1;
    }
    if (resolve_literal(text, passive, out))
        return 1;
    return resolve_name(loop, text, passive, out, max);
}
