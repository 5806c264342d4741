/* A chat: lines over TCP, rooms that are channels of Redis, so that any number of these servers
 * share them.
 *
 *     chat [ADDRESS [REDIS]]      "127.0.0.1:7777" and redis://127.0.0.1:6379 unless given;
 *                                 `weft-kv --port 6379` is enough of a Redis
 *     nc 127.0.0.1 7777           it asks for a room and a name; then every line is for all there
 *
 *     a line ── PUBLISH chat:room ──> Redis ── "chat:*" ──> each server ──> the room's broadcast
 *                                                                               └──> its guests
 *
 * A server has one subscription, whatever its rooms. A guest who reads slowly misses lines, and is
 * told how many; nobody waits for him. When Redis was away the rooms are told that there is a gap.
 * It prints its address once it hears Redis. Ctrl-C ends it. */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>
#include <weft/redis.h>

#define LINE_MAX_SIZE 512
#define NAME_MAX_SIZE 32
#define KEPT          64 /* lines that a guest may be behind */

struct line {
    char text[LINE_MAX_SIZE]; /* with its end, and a NUL */
};

struct room {
    struct room *next;
    size_t guests; /* it goes with the last of them */
    weft_broadcast lines;
    char name[NAME_MAX_SIZE];
};

struct chat {
    weft_redis *redis;
    weft_redis_subscription *all;
    struct room *rooms;
    weft_listener *listener;
};

struct guest {
    struct chat *chat;
    struct room *room;
    weft_stream *stream;
    weft_arena *arena;
    weft_subscription lines;
    char name[NAME_MAX_SIZE];
};

/* A line for the guests of a room that are here. What would move a terminal's cursor does not. */
static void tell(struct room *room, const char *text)
{
    struct line line;
    snprintf(line.text, sizeof line.text - 1, "%s", text);
    for (char *c = line.text; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    strcat(line.text, "\n");
    weft_broadcast_try_send(&room->lines, &line);
}

/* --- rooms --- */

static struct room *find(struct chat *chat, const char *name)
{
    struct room *room = chat->rooms;
    while (room && strcmp(room->name, name) != 0)
        room = room->next;
    return room;
}

static struct room *enter(struct chat *chat, const char *name)
{
    struct room *room = find(chat, name);
    if (!room && (room = calloc(1, sizeof *room)) != NULL) {
        if (weft_broadcast_init(&room->lines, sizeof(struct line), KEPT) < 0) {
            free(room);
            return NULL;
        }
        snprintf(room->name, sizeof room->name, "%s", name);
        room->next = chat->rooms;
        chat->rooms = room;
    }
    if (room)
        room->guests++;
    return room;
}

static void leave(struct chat *chat, struct room *room)
{
    struct room **link = &chat->rooms;
    if (--room->guests > 0)
        return;
    while (*link != room)
        link = &(*link)->next;
    *link = room->next;
    weft_broadcast_fini(&room->lines);
    free(room);
}

/* --- from Redis to the rooms --- */

static void hand_out(struct chat *chat, const weft_redis_message *message)
{
    struct room *room = message->channel ? find(chat, message->channel + strlen("chat:")) : NULL;
    if (room)
        tell(room, message->data);
    for (room = message->channel ? NULL : chat->rooms; room; room = room->next)
        tell(room, "* something may have been missed here");
}

static int distribute(void *arg)
{
    struct chat *chat = arg;
    weft_redis_message message;
    weft_arena *arena;
    int err = weft_arena_new(&arena, 0);
    if (err < 0)
        return err;
    while (err == 0 && (err = weft_redis_subscription_next(chat->all, arena, &message)) == 0) {
        hand_out(chat, &message);
        weft_arena_reset(arena);
        err = weft_sleep(0); /* many may have come at once: let the guests hear each */
    }
    weft_arena_free(arena);
    return err;
}

/* --- guests --- */

static int hear(void *arg)
{
    struct guest *guest = arg;
    struct line line;
    char text[64];
    int err = 0;
    while (err == 0) {
        ssize_t missed = weft_subscription_receive(&guest->lines, &line);
        if (missed < 0)
            return (int)missed;
        snprintf(text, sizeof text, "* %zd lines came too fast for you\n", missed);
        if (missed > 0)
            err = weft_write(guest->stream, text, strlen(text));
        if (err == 0) /* it waits for this guest, and the broadcast does not */
            err = weft_write(guest->stream, line.text, strlen(line.text));
    }
    return err;
}

static int say(struct guest *guest, const char *format, const char *text)
{
    char line[LINE_MAX_SIZE], complaint[LINE_MAX_SIZE];
    weft_scope scope;
    snprintf(line, sizeof line, format, guest->name, text);
    weft_scope_begin(&scope, .timeout = 2 * WEFT_SECOND);
    int err =
        weft_scope_leave(&scope, weft_redis_ask(guest->chat->redis, guest->arena, NULL,
                                                "PUBLISH chat:%s %s", guest->room->name, line));
    weft_arena_reset(guest->arena);
    if (err != -ETIMEDOUT && err != WEFT_EINDOUBT)
        return err;
    snprintf(complaint, sizeof complaint, "* may be lost: %.400s", line);
    tell(guest->room, complaint);
    return 0;
}

static int speak(struct guest *guest)
{
    char text[LINE_MAX_SIZE - NAME_MAX_SIZE - 8];
    int err = say(guest, "* %s is here%s", "");
    while (err == 0 && (err = (int)weft_read_line(guest->stream, text, sizeof text)) >= 0)
        err = say(guest, "%s: %s", text);
    return err == WEFT_EEND ? say(guest, "* %s has left%s", "") : err;
}

static int stay(struct guest *guest)
{
    weft_scope scope;
    int err = weft_subscription_begin(&guest->lines, &guest->room->lines);
    if (err < 0)
        return err;
    weft_scope_begin(&scope);
    weft_spawn(&scope, hear, guest);
    err = speak(guest);
    weft_scope_cancel(&scope, "the guest has left");
    err = weft_scope_leave(&scope, err);
    weft_subscription_end(&guest->lines);
    return err;
}

static int ask(weft_stream *stream, const char *question, char name[NAME_MAX_SIZE])
{
    int err = weft_write(stream, question, strlen(question));
    ssize_t n = err < 0 ? err : weft_read_line(stream, name, NAME_MAX_SIZE);
    for (ssize_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]))
            n = -EINVAL;
    return n == 0 ? -EINVAL : n < 0 ? (int)n : 0;
}

static int receive_guest(weft_stream *stream, void *chat)
{
    struct guest guest = { .chat = chat, .stream = stream };
    char room[NAME_MAX_SIZE];
    int err = ask(stream, "room? ", room);
    if (err == 0)
        err = ask(stream, "name? ", guest.name);
    if (err == -EINVAL || err == WEFT_ELIMIT)
        return weft_write(stream, "* letters and digits only\n", 26);
    if (err == 0)
        err = weft_arena_new(&guest.arena, 0);
    if (err < 0)
        return err == WEFT_EEND ? 0 : err;
    guest.room = enter(chat, room);
    err = guest.room ? stay(&guest) : -ENOMEM;
    if (guest.room)
        leave(chat, guest.room);
    weft_arena_free(guest.arena);
    return err;
}

/* --- the server --- */

static int serve_guests(struct chat *chat, const char *address)
{
    int err = weft_listen(&chat->listener, address);
    if (err < 0)
        return err;
    puts(weft_listener_address(chat->listener));
    fflush(stdout);
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, distribute, chat);
    err = weft_scope_leave(&scope, weft_serve_on(chat->listener, receive_guest, .arg = chat));
    weft_listener_close(chat->listener);
    return err;
}

static int serve(void *arg)
{
    static const char *const patterns[] = { "chat:*", NULL };
    const char **addresses = arg;
    struct chat chat = { 0 };
    int err = weft_redis_open(&chat.redis, addresses[1], .reply_max = 64 << 10);
    if (err < 0)
        return err;
    err = weft_redis_subscribe(&chat.all, chat.redis, .patterns = patterns);
    if (err == 0)
        err = serve_guests(&chat, addresses[0]);
    weft_redis_subscription_close(chat.all);
    weft_redis_close(chat.redis);
    return err;
}

int main(int argc, char **argv)
{
    const char *addresses[] = { argc > 1 ? argv[1] : "127.0.0.1:7777",
                                argc > 2 ? argv[2] : "redis://127.0.0.1:6379" };
    int err = weft_run(serve, addresses);
    return err < 0 && err != -ECANCELED && fprintf(stderr, "chat: %s\n", weft_error_text(err));
}
