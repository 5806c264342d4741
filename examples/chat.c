/* A chat: lines over TCP, rooms that are channels of Redis, so that any number of these servers
 * share them.
 *
 *     chat [ADDRESS [REDIS]]      "127.0.0.1:7777" and redis://127.0.0.1:6379 unless given;
 *                                 `weft-kv --port 6379` is enough of a Redis
 *     nc 127.0.0.1 7777           it asks for a room and a name; then every line is for all there
 *
 *     a guest's line ── PUBLISH chat:room ──> Redis ──> the subscription of each guest in the room
 *
 * A guest is two tasks: one speaks, one hears. Who reads slowly holds nobody up: what waits for him
 * is 64 KiB at most, then the oldest lines go, and he is told how many. Where Redis was away he is
 * told that there is a gap. A subscription is a connection to Redis; for ten thousands of guests
 * take one for all, and a weft_broadcast for each room. Ctrl-C ends it. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft.h>
#include <weft/redis.h>

#define WAITING_MAX   (64 << 10)
#define REDIS_TIMEOUT (2 * WEFT_SECOND)

struct guest {
    weft_redis *redis;
    weft_stream *stream;
    weft_redis_subscription *lines;
    weft_arena *arena; /* of who speaks */
    char room[32], name[32];
};

/* What would move a terminal's cursor, and is not a line's end, does not. */
static int write_line(weft_stream *stream, char *line)
{
    size_t size = strlen(line);
    for (size_t i = 0; i + 1 < size; i++)
        if (iscntrl((unsigned char)line[i]))
            line[i] = '?';
    return weft_write(stream, line, size);
}

static int pass_on(weft_stream *stream, weft_arena *arena, const weft_redis_message *message)
{
    char missed[64];
    int err = 0;
    snprintf(missed, sizeof missed, "* %llu lines came too fast for you\n",
             (unsigned long long)message->dropped);
    if (message->dropped)
        err = write_line(stream, missed);
    char *line = message->channel ? weft_arena_format(arena, "%s\n", message->data)
                                  : weft_arena_format(arena, "* there is a gap here\n");
    if (!line)
        return -ENOMEM;
    return err < 0 ? err : write_line(stream, line);
}

static int hear(void *arg)
{
    struct guest *guest = arg;
    weft_redis_message message;
    weft_arena *arena;
    int err = weft_arena_new(&arena, 0);
    if (err < 0)
        return err;
    while (err == 0 && (err = weft_redis_subscription_next(guest->lines, arena, &message)) == 0) {
        err = pass_on(guest->stream, arena, &message);
        weft_arena_reset(arena);
    }
    weft_arena_free(arena);
    return err;
}

static int say(struct guest *guest, const char *first, const char *second, const char *third)
{
    weft_scope scope;
    weft_scope_begin(&scope, .timeout = REDIS_TIMEOUT);
    int err = weft_redis_ask(guest->redis, guest->arena, NULL, "PUBLISH chat:%s %s%s%s",
                             guest->room, first, second, third);
    weft_arena_reset(guest->arena);
    return weft_scope_leave(&scope, err);
}

static int speak(struct guest *guest)
{
    char text[512];
    int err = say(guest, "* ", guest->name, " is here");
    while (err == 0 && (err = (int)weft_read_line(guest->stream, text, sizeof text)) >= 0)
        err = say(guest, guest->name, ": ", text);
    return err == WEFT_EEND ? say(guest, "* ", guest->name, " has left") : err;
}

static int enter(struct guest *guest)
{
    char channel[40];
    const char *channels[] = { channel, NULL };
    weft_scope scope;
    snprintf(channel, sizeof channel, "chat:%s", guest->room);
    weft_scope_begin(&scope, .timeout = REDIS_TIMEOUT);
    int err = weft_redis_subscribe(&guest->lines, guest->redis, .channels = channels,
                                   .queue_max = WAITING_MAX, .full = WEFT_REDIS_FULL_OLDEST);
    return weft_scope_leave(&scope, err);
}

static int stay(struct guest *guest)
{
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, guest);
    int err = speak(guest);
    weft_scope_cancel(&scope, "who does not speak any more does not hear either");
    return weft_scope_leave(&scope, err);
}

static int ask(weft_stream *stream, const char *question, char *name, size_t size)
{
    int err = weft_write(stream, question, strlen(question));
    ssize_t n = err < 0 ? err : weft_read_line(stream, name, size);
    for (ssize_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]))
            return -EINVAL;
    return n == 0 ? -EINVAL : n < 0 ? (int)n : 0;
}

static int receive_guest(weft_stream *stream, void *redis)
{
    struct guest guest = { .redis = redis, .stream = stream };
    char line[100];
    int err = ask(stream, "room? ", guest.room, sizeof guest.room);
    if (err == 0)
        err = ask(stream, "name? ", guest.name, sizeof guest.name);
    if (err == 0)
        err = weft_arena_new(&guest.arena, 0);
    if (err == 0)
        err = enter(&guest);
    if (err == 0 && guest.lines)
        err = stay(&guest);
    weft_redis_subscription_close(guest.lines);
    weft_arena_free(guest.arena);
    if (err == 0 || err == WEFT_EEND || err == -ECANCELED)
        return err == WEFT_EEND ? 0 : err;
    snprintf(line, sizeof line, "* that does not go: %s\n", weft_error_text(err));
    return weft_write(stream, line, strlen(line));
}

static int serve(void *arg)
{
    const char **addresses = arg;
    weft_redis *redis;
    weft_listener *listener;
    int err = weft_listen(&listener, addresses[0]);
    if (err < 0)
        return err;
    err = weft_redis_open(&redis, addresses[1], .reply_max = WAITING_MAX,
                          .blocking_connections_max = 10000);
    if (err == 0) {
        puts(weft_listener_address(listener));
        fflush(stdout);
        err = weft_serve_on(listener, receive_guest, .arg = redis);
        weft_redis_close(redis);
    }
    weft_listener_close(listener);
    return err;
}

int main(int argc, char **argv)
{
    const char *addresses[] = { argc > 1 ? argv[1] : "127.0.0.1:7777",
                                argc > 2 ? argv[2] : "redis://127.0.0.1:6379" };
    int err = weft_run(serve, addresses);
    return err < 0 && err != -ECANCELED && fprintf(stderr, "chat: %s\n", weft_error_text(err));
}
