#include "redis/slow.h"

#include <weft/memory.h>

#include <stdio.h>
#include <string.h>

/* --- commands --- */

/* What is kept of one argument, and the words for what is not. */
static size_t print(char *out, weft_slice arg)
{
    char rest[48];
    if (arg.size <= WF_REDIS_SLOW_TEXT) {
        memcpy(out, arg.data, arg.size);
        return arg.size;
    }
    memcpy(out, arg.data, WF_REDIS_SLOW_TEXT);
    int size = snprintf(rest, sizeof rest, "... (%zu more bytes)", arg.size - WF_REDIS_SLOW_TEXT);
    memcpy(out + WF_REDIS_SLOW_TEXT, rest, (size_t)size);
    return WF_REDIS_SLOW_TEXT + (size_t)size;
}

/* An entry, its list and its texts in one piece. */
static struct wf_redis_slow_entry *make(const weft_slice *args, size_t count)
{
    char rest[48];
    size_t kept = count <= WF_REDIS_SLOW_ARGS ? count : WF_REDIS_SLOW_ARGS - 1;
    size_t listed = count <= WF_REDIS_SLOW_ARGS ? count : WF_REDIS_SLOW_ARGS, size = sizeof rest;
    for (size_t i = 0; i < kept; i++)
        size += args[i].size <= WF_REDIS_SLOW_TEXT ? args[i].size : WF_REDIS_SLOW_TEXT + 48;
    struct wf_redis_slow_entry *entry = weft_alloc(sizeof *entry + listed * sizeof *args + size);
    if (!entry)
        return NULL;
    entry->args = (weft_slice *)(entry + 1);
    char *at = (char *)(entry->args + listed);
    for (size_t i = 0; i < kept; i++) {
        size_t length = print(at, args[i]);
        entry->args[entry->count++] = (weft_slice){ at, length };
        at += length;
    }
    if (listed > kept) {
        int length = snprintf(at, sizeof rest, "... (%zu more arguments)", count - kept);
        entry->args[entry->count++] = (weft_slice){ at, (size_t)length };
    }
    return entry;
}

/* Another length of the ring: the newest stay. */
static void resize(struct wf_redis_slow *slow, uint32_t room)
{
    struct wf_redis_slow_entry **ring = room ? weft_alloc(room * sizeof(void *)) : NULL;
    if (room && !ring)
        return;
    uint32_t kept = slow->count < room ? slow->count : room;
    for (uint32_t n = 0; n < slow->count; n++) {
        struct wf_redis_slow_entry **from = &slow->ring[(slow->last + slow->room - n) % slow->room];
        if (n < kept)
            ring[kept - 1 - n] = *from;
        else
            weft_free(*from);
    }
    weft_free(slow->ring);
    slow->ring = ring;
    slow->room = room;
    slow->count = kept;
    slow->last = kept ? kept - 1 : 0;
}

void wf_redis_slow_note(struct wf_redis_slow *slow, uint32_t max, const weft_slice *args,
                        size_t count, int64_t time_taken, const char *peer, const char *name)
{
    if (slow->room != max)
        resize(slow, max);
    struct wf_redis_slow_entry *entry = slow->room ? make(args, count) : NULL;
    if (!entry)
        return;
    entry->id = slow->next_id++;
    entry->at = time(NULL);
    entry->time = time_taken;
    snprintf(entry->peer, sizeof entry->peer, "%s", peer);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    slow->last = slow->count ? (slow->last + 1) % slow->room : 0;
    weft_free(slow->ring[slow->last]);
    slow->ring[slow->last] = entry;
    slow->count += slow->count < slow->room;
}

const struct wf_redis_slow_entry *wf_redis_slow_at(const struct wf_redis_slow *slow, uint32_t n)
{
    return slow->ring[(slow->last + slow->room - n) % slow->room];
}

void wf_redis_slow_clear(struct wf_redis_slow *slow)
{
    resize(slow, 0);
}

/* --- peaks --- */

struct wf_redis_event *wf_redis_latency_find(struct wf_redis_latency *latency, weft_slice name)
{
    for (unsigned i = 0; i < WF_REDIS_EVENTS; i++)
        if (latency->events[i] && weft_redis_is(name, latency->events[i]->name))
            return latency->events[i];
    return NULL;
}

static struct wf_redis_event *find_or_add(struct wf_redis_latency *latency, const char *name)
{
    struct wf_redis_event *event =
        wf_redis_latency_find(latency, (weft_slice){ name, strlen(name) });
    for (unsigned i = 0; !event && i < WF_REDIS_EVENTS; i++) {
        if (latency->events[i])
            continue;
        event = weft_alloc(sizeof *event);
        if (!event)
            return NULL;
        snprintf(event->name, sizeof event->name, "%s", name);
        latency->events[i] = event;
    }
    return event;
}

void wf_redis_latency_note(struct wf_redis_latency *latency, const char *name, int64_t time_taken)
{
    struct wf_redis_event *event = find_or_add(latency, name);
    int64_t now = time(NULL), milliseconds = time_taken / 1000000;
    if (!event)
        return;
    if (milliseconds > event->most)
        event->most = milliseconds;
    uint32_t newest = (event->next + WF_REDIS_PEAKS - 1) % WF_REDIS_PEAKS;
    if (event->count > 0 && event->peaks[newest].at == now) {
        if (milliseconds > event->peaks[newest].time)
            event->peaks[newest].time = milliseconds;
        return;
    }
    event->peaks[event->next] = (struct wf_redis_peak){ now, milliseconds };
    event->next = (event->next + 1) % WF_REDIS_PEAKS;
    event->count += event->count < WF_REDIS_PEAKS;
}

unsigned wf_redis_latency_clear(struct wf_redis_latency *latency, const char *name)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WF_REDIS_EVENTS; i++) {
        struct wf_redis_event *event = latency->events[i];
        if (!event || (name && strcmp(event->name, name) != 0))
            continue;
        weft_free(event);
        latency->events[i] = NULL;
        count++;
    }
    return count;
}
