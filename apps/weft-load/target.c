#include "target.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define ECHO_SIZE     64
#define HEAD_MAX      (64u << 10)
#define AUTHORITY_MAX 256

/* A URL taken apart: pieces of the text. */
struct url {
    const char *authority; /* host:port, or unix:/path */
    size_t authority_len;
    const char *path; /* "" where there is none */
    bool is_unix;
};

/* A weight behind the last '=' of a URL without a query. */
static size_t split_weight(const char *url, double *weight)
{
    const char *equals = strrchr(url, '=');
    size_t len = strlen(url);
    *weight = 1;
    if (equals == NULL || equals[1] == '\0' || strchr(url, '?') != NULL ||
        strspn(equals + 1, "0123456789.") != strlen(equals + 1))
        return len;
    *weight = strtod(equals + 1, NULL);
    return (size_t)(equals - url);
}

static void split(struct url *url, const char *text)
{
    url->authority = text;
    url->is_unix = strncmp(text, "unix:", 5) == 0;
    if (url->is_unix) {
        const char *colon = strchr(text + 5, ':');
        url->authority_len = colon != NULL ? (size_t)(colon - text) : strlen(text);
        url->path = colon != NULL ? colon + 1 : "";
    } else {
        url->authority_len = strcspn(text, "/?#");
        url->path = text + url->authority_len;
    }
}

static int resolve_unix(struct load_target *target, const struct url *url, char *why, size_t size)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&target->address;
    size_t len = url->authority_len - 5;
    if (len == 0 || len >= sizeof address->sun_path) {
        snprintf(why, size, "%s: a socket's path has 1 to %zu bytes", target->url,
                 sizeof address->sun_path - 1);
        return -1;
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, url->authority + 5, len);
    target->address_size = sizeof *address;
    return 0;
}

/* Divide host:port and [v6]:port; *port becomes NULL where there is none. */
static bool split_port(char *text, char **host, char **port)
{
    char *close = text[0] == '[' ? strchr(text, ']') : NULL;
    char *behind = close != NULL ? close + 1 : text + strcspn(text, ":");
    *host = text + (close != NULL);
    *port = *behind == ':' ? behind + 1 : NULL;
    bool good = (*behind == ':' || *behind == '\0') && (text[0] != '[' || close != NULL);
    *behind = '\0';
    if (close != NULL)
        *close = '\0';
    return good && **host != '\0' &&
           (*port == NULL || (**port != '\0' && strspn(*port, "0123456789") == strlen(*port) &&
                              strtoul(*port, NULL, 10) <= 65535));
}

static int resolve(struct load_target *target, const struct url *url, char *why, size_t size)
{
    char text[AUTHORITY_MAX], *host, *port;
    if (url->is_unix)
        return resolve_unix(target, url, why, size);
    if (url->authority_len >= sizeof text) {
        snprintf(why, size, "%.40s...: the host's name is too long", target->url);
        return -1;
    }
    memcpy(text, url->authority, url->authority_len);
    text[url->authority_len] = '\0';
    if (!split_port(text, &host, &port)) {
        snprintf(why, size, "%s: no host, or no port, that one can connect to", target->url);
        return -1;
    }
    if (port == NULL && target->protocol->port == NULL) {
        snprintf(why, size, "%s: needs a port", target->url);
        return -1;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    int err = getaddrinfo(host, port != NULL ? port : target->protocol->port, &hints, &found);
    if (err != 0) {
        snprintf(why, size, "%s: %s", target->url, gai_strerror(err));
        return -1;
    }
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* --- The request. --- */

/* A header as the codec takes it; false: it is none. */
static bool read_field(struct wf_http1_field *field, const char *text)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL)
        return false;
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    *field = (struct wf_http1_field){ text, (size_t)(colon - text), value, strlen(value) };
    return true;
}

static int refuse_header(const char *header, char *why, size_t size)
{
    snprintf(why, size, "-H '%.60s': not a header that can be sent as it is", header);
    return -1;
}

/* Fill the head but for the host, which may be one of the headers. */
static int fill_fields(struct wf_http1_request_out *head, struct wf_http1_field *fields, char *host,
                       size_t host_size, const struct load_message *message, char *why, size_t size)
{
    head->fields = fields;
    for (int i = 0; i < message->header_count; i++) {
        struct wf_http1_field field;
        char scratch[HEAD_MAX / 4];
        if (!read_field(&field, message->headers[i]) ||
            (wf_http1_write_field(scratch, sizeof scratch, &field) < 0))
            return refuse_header(message->headers[i], why, size);
        if (field.name_len == 4 && strncasecmp(field.name, "host", 4) == 0)
            snprintf(host, host_size, "%s", field.value);
        else
            fields[head->field_count++] = field;
    }
    return 0;
}

static int join(struct load_target *target, const char *head, size_t head_size, const char *body,
                size_t body_size)
{
    target->request = malloc(head_size + body_size + 1);
    if (target->request == NULL)
        return -1;
    memcpy(target->request, head, head_size);
    if (body_size > 0)
        memcpy(target->request + head_size, body, body_size);
    target->request_size = head_size + body_size;
    return 0;
}

static int render_http(struct load_target *target, const struct url *url,
                       const struct load_message *message, char *why, size_t size)
{
    struct wf_http1_field fields[LOAD_HEADERS_MAX];
    char host[AUTHORITY_MAX], path[HEAD_MAX / 4], head[HEAD_MAX];
    bool has_body = message->body != NULL;
    struct wf_http1_request_out out = {
        .method = message->method != NULL ? message->method
                  : has_body              ? "POST"
                                          : "GET",
        .target = path,
        .host = host,
        .connection = message->closes ? WF_HTTP1_CONNECTION_CLOSE : WF_HTTP1_CONNECTION_UNSAID,
        .content_length = has_body ? (int64_t)message->body_size : WF_HTTP1_LENGTH_UNSAID,
    };
    snprintf(host, sizeof host, "%.*s", (int)url->authority_len,
             url->is_unix ? "localhost" : url->authority);
    snprintf(path, sizeof path, "%s%.*s", *url->path == '/' ? "" : "/",
             (int)strcspn(url->path, "#"), url->path);
    if (fill_fields(&out, fields, host, sizeof host, message, why, size) < 0)
        return -1;
    ptrdiff_t len = wf_http1_write_request(head, sizeof head, &out);
    if (len < 0) {
        snprintf(why, size, "%.60s: no request can be made of this: %s", target->url,
                 strlen(url->path) >= sizeof path ? "it is too long"
                                                  : "the method, the path or a header does not "
                                                    "allow it (lengths are said by weft-load)");
        return -1;
    }
    target->expected.to_head = strcmp(out.method, "HEAD") == 0;
    return join(target, head, (size_t)len, message->body, message->body_size);
}

static int render_echo(struct load_target *target, const struct load_message *message)
{
    char pattern[ECHO_SIZE];
    for (int i = 0; i < ECHO_SIZE; i++)
        pattern[i] = (char)('!' + i);
    bool has_body = message->body != NULL && message->body_size > 0;
    const char *bytes = has_body ? message->body : pattern;
    size_t size = has_body ? message->body_size : ECHO_SIZE;
    target->expected.body = malloc(size);
    if (target->expected.body == NULL || join(target, bytes, size, NULL, 0) < 0)
        return -1;
    memcpy(target->expected.body, bytes, size);
    target->expected.length = target->expected.body_kept = size;
    return 0;
}

static int read_scheme(struct load_target *target, const char **rest, char *why, size_t size)
{
    const char *colon = target->url + strspn(target->url, "abcdefghijklmnopqrstuvwxyz");
    if (strncmp(colon, "://", 3) != 0)
        colon = NULL;
    *rest = colon != NULL ? colon + 3 : target->url;
    target->protocol = colon != NULL
                           ? load_protocol_find(target->url, (size_t)(colon - target->url))
                           : load_protocol_find("http", 4);
    if (target->protocol != NULL)
        return 0;
    snprintf(why, size, "%.60s: only http:// and echo:// are spoken here", target->url);
    return -1;
}

int load_target_init(struct load_target *target, const char *text,
                     const struct load_message *message, char *why, size_t why_size)
{
    struct url url;
    const char *rest;
    *target = (struct load_target){ 0 };
    snprintf(why, why_size, "out of memory");
    target->url = strndup(text, split_weight(text, &target->weight));
    if (target->url == NULL)
        return -1;
    if (!(target->weight > 0)) {
        snprintf(why, why_size, "%.60s: a weight is above 0", text);
        return -1;
    }
    if (read_scheme(target, &rest, why, why_size) < 0)
        return -1;
    split(&url, rest);
    target->expected.check = message->check;
    target->expected.status_want = message->status_want;
    if (resolve(target, &url, why, why_size) < 0)
        return -1;
    return strcmp(target->protocol->name, "echo") == 0
               ? render_echo(target, message)
               : render_http(target, &url, message, why, why_size);
}

void load_target_free(struct load_target *target)
{
    free(target->url);
    free(target->request);
    load_expected_free(&target->expected);
    *target = (struct load_target){ 0 };
}
