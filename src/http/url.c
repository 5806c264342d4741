/* http://authority[/path][?query][#fragment]. A user before an "@" is refused: it is never sent,
 * and mostly there to deceive. */

#include "http/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *check_scheme(const char *text)
{
    return text && strncasecmp(text, "http://", 7) == 0 ? NULL : "not an http:// URL";
}

/* The port's colon, or NULL: behind the bracket where there is one. */
static const char *port_of(const char *host)
{
    const char *bracket = strrchr(host, ']');
    return strchr(bracket ? bracket : host, ':');
}

/* The codec's rule for a Host, too: no digits are the usual port, and at most five are read. */
static bool is_port(const char *digits)
{
    size_t size = strspn(digits, "0123456789");
    return size <= 5 && !digits[size] && strtol(digits, NULL, 10) <= 65535;
}

static const char *check_host(const char *host)
{
    const char *port = port_of(host);
    if (strchr(host, '@'))
        return "user names in URLs are not supported";
    if (!*host || port == host)
        return "the URL has no host";
    return !port || is_port(port + 1) ? NULL : "the URL's port is no number up to 65535";
}

static bool is_called(const char *host, const char *name)
{
    size_t size = strlen(name);
    return strncmp(host, name, size) == 0 && (host[size] == ':' || !host[size]);
}

/* "host" and "host:" are at port 80. What an URL names is reached by TCP, whatever it is called. */
static const char *address_of(const char *host, weft_arena *arena)
{
    const char *port = port_of(host);
    const char *before = is_called(host, "unix") || is_called(host, "mem") ? "tcp:" : "";
    if (port && port[1] && !*before)
        return host;
    return weft_arena_format(arena, "%s%s%s", before, host, !port ? ":80" : port[1] ? "" : "80");
}

static const char *target_of(const char *text, weft_arena *arena)
{
    int size = (int)strcspn(text, "#");
    return weft_arena_format(arena, "%s%.*s", *text == '/' ? "" : "/", size, text);
}

int wf_http_url_parse(struct wf_http_url *url, const char *text, weft_arena *arena,
                      const char **why)
{
    *why = check_scheme(text);
    if (*why)
        return text && strstr(text, "://") ? -EPROTONOSUPPORT : -EINVAL;
    const char *host = text + 7;
    size_t size = strcspn(host, "/?#");
    url->host = weft_arena_copy(arena, host, size);
    if (!url->host)
        return -ENOMEM;
    *why = check_host(url->host);
    if (*why)
        return -EINVAL;
    url->address = address_of(url->host, arena);
    url->target = target_of(host + size, arena);
    return url->address && url->target ? 0 : -ENOMEM;
}
