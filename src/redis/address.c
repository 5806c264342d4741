/* Addresses: those of weft_connect(), and redis://user:password@host:port/database.
 *
 * In front of the last '@' stand the user and the password, each of which may have %xx in it;
 * behind the host a port, or not. Whatever cannot be read is refused: half an address would lead to
 * another server. */

#include "redis/address.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PORT         ":6379"
#define ADDRESS_MAX  1024
#define DATABASE_MAX 1000000

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of a text with %xx in it. Returns the bytes that it takes there, or 0. */
static size_t unescape_one(const char *text, size_t left, char *byte)
{
    *byte = *text;
    if (*text != '%')
        return 1;
    int high = left > 2 ? digit_of(text[1]) : -1, low = high < 0 ? -1 : digit_of(text[2]);
    *byte = (char)(high * 16 + low);
    return low < 0 || *byte == '\0' ? 0 : 3;
}

static int unescape(const char *text, size_t size, weft_arena *arena, const char **result)
{
    char *out = weft_arena_alloc(arena, size + 1);
    size_t written = 0, n;
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < size; i += n) {
        n = unescape_one(text + i, size - i, &out[written++]);
        if (n == 0)
            return -EINVAL;
    }
    out[written] = '\0';
    *result = out;
    return 0;
}

static int read_user(struct wf_redis_address *address, const char *text, size_t size,
                     weft_arena *arena)
{
    const char *colon = memchr(text, ':', size);
    if (!colon)
        return -EINVAL;
    size_t user_size = (size_t)(colon - text);
    int err = user_size > 0 ? unescape(text, user_size, arena, &address->user) : 0;
    return err < 0 ? err : unescape(colon + 1, size - user_size - 1, arena, &address->password);
}

/* "", or "/" and a number. */
static int read_database(struct wf_redis_address *address, const char *text)
{
    uint32_t number = 0;
    for (const char *c = *text == '/' ? text + 1 : text; *c; c++) {
        if (*c < '0' || *c > '9' || number > DATABASE_MAX)
            return -EINVAL;
        number = number * 10 + (uint32_t)(*c - '0');
    }
    address->database = number;
    return 0;
}

/* A colon behind the bracket of an IPv6 address, where there is one. */
static bool has_port(const char *host, size_t size)
{
    const char *bracket = memchr(host, ']', size);
    const char *from = bracket ? bracket : host;
    return memchr(from, ':', size - (size_t)(from - host)) != NULL;
}

static int read_host(struct wf_redis_address *address, const char *host, size_t size,
                     weft_arena *arena)
{
    if (size == 0)
        return -EINVAL;
    address->connect =
        weft_arena_format(arena, "tcp:%.*s%s", (int)size, host, has_port(host, size) ? "" : PORT);
    return address->connect ? 0 : -ENOMEM;
}

static int read_url(struct wf_redis_address *address, const char *text, weft_arena *arena)
{
    size_t size = strcspn(text, "/?#");
    const char *at = size > 0 ? memrchr(text, '@', size) : NULL;
    const char *host = at ? at + 1 : text;
    int err = at ? read_user(address, text, (size_t)(at - text), arena) : 0;
    if (err == 0)
        err = read_database(address, text + size);
    return err < 0 ? err : read_host(address, host, (size_t)(text + size - host), arena);
}

int wf_redis_address_read(struct wf_redis_address *address, const char *text, weft_arena *arena)
{
    *address = (struct wf_redis_address){ .connect = NULL };
    if (!text || !*text || strlen(text) > ADDRESS_MAX)
        return -EINVAL;
    if (strncmp(text, "rediss://", 9) == 0)
        return -EPROTONOSUPPORT;
    if (strncmp(text, "redis://", 8) == 0)
        return read_url(address, text + 8, arena);
    address->connect = weft_arena_copy(arena, text, strlen(text));
    return address->connect ? 0 : -ENOMEM;
}
