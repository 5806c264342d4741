/* SLOWLOG and LATENCY. */

#include "redis/own.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 10 /* entries of SLOWLOG GET that names no number */

static int reply_text(weft_redis_request *request, const char *text)
{
    return weft_redis_reply_string(request, text, strlen(text));
}

/* --- SLOWLOG --- */

static void reply_entry(weft_redis_request *request, const struct wf_redis_slow_entry *entry)
{
    weft_redis_reply_array(request, 6);
    weft_redis_reply_integer(request, (int64_t)entry->id);
    weft_redis_reply_integer(request, entry->at);
    weft_redis_reply_integer(request, entry->time / WEFT_MICROSECOND);
    weft_redis_reply_array(request, entry->count);
    for (uint32_t i = 0; i < entry->count; i++)
        weft_redis_reply_string(request, entry->args[i].data, entry->args[i].size);
    reply_text(request, entry->peer);
    reply_text(request, entry->name);
}

static int get(weft_redis_request *request)
{
    const struct wf_redis_slow *slow = &request->server->slow;
    int64_t count = SHOWN;
    if (request->count == 3 && !wf_redis_read_integer(request, 2, -1, INT32_MAX, &count))
        return 0;
    if (count < 0 || count > slow->count)
        count = slow->count;
    weft_redis_reply_array(request, (size_t)count);
    for (int64_t i = 0; i < count; i++)
        reply_entry(request, wf_redis_slow_at(slow, (uint32_t)i));
    return 0;
}

int wf_redis_slowlog(weft_redis_request *request, void *app)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg>]. Subcommands are:",
        "GET [<count>]: the latest ones (10; -1: all)",
        "LEN: how many there are",
        "RESET: forget them",
        NULL,
    };
    (void)app;
    if (weft_redis_is(request->args[1], "get") && request->count <= 3)
        return get(request);
    if (weft_redis_is(request->args[1], "len") && request->count == 2)
        return weft_redis_reply_integer(request, request->server->slow.count);
    if (weft_redis_is(request->args[1], "reset") && request->count == 2) {
        wf_redis_slow_clear(&request->server->slow);
        return weft_redis_reply_status(request, "OK");
    }
    if (weft_redis_is(request->args[1], "help") && request->count == 2)
        return wf_redis_reply_help(request, lines);
    return wf_redis_reply_unknown_subcommand(request);
}

/* --- LATENCY --- */

static const struct wf_redis_peak *newest_of(const struct wf_redis_event *event)
{
    return &event->peaks[(event->next + WF_REDIS_PEAKS - 1) % WF_REDIS_PEAKS];
}

static int latest(weft_redis_request *request)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    size_t count = 0;
    for (unsigned i = 0; i < WF_REDIS_EVENTS; i++) {
        const struct wf_redis_event *event = request->server->latency.events[i];
        if (!event)
            continue;
        count++;
        weft_redis_reply_array(request, 4);
        reply_text(request, event->name);
        weft_redis_reply_integer(request, newest_of(event)->at);
        weft_redis_reply_integer(request, newest_of(event)->time);
        weft_redis_reply_integer(request, event->most);
    }
    return weft_redis_reply_array_deferred(request, mark, count);
}

static int history(weft_redis_request *request)
{
    const struct wf_redis_event *event =
        wf_redis_latency_find(&request->server->latency, request->args[2]);
    uint32_t count = event ? event->count : 0;
    weft_redis_reply_array(request, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = (event->next + WF_REDIS_PEAKS - count + i) % WF_REDIS_PEAKS;
        weft_redis_reply_array(request, 2);
        weft_redis_reply_integer(request, event->peaks[at].at);
        weft_redis_reply_integer(request, event->peaks[at].time);
    }
    return 0;
}

static int forget(weft_redis_request *request)
{
    struct wf_redis_latency *latency = &request->server->latency;
    unsigned count = request->count == 2 ? wf_redis_latency_clear(latency, NULL) : 0;
    for (size_t i = 2; i < request->count; i++) {
        struct wf_redis_event *event = wf_redis_latency_find(latency, request->args[i]);
        count += event ? wf_redis_latency_clear(latency, event->name) : 0;
    }
    return weft_redis_reply_integer(request, count);
}

/* How many calls took no longer than 1, 2, 4, … us: as far as there is anything to say. */
static void reply_times(weft_redis_request *request, const struct wf_redis_times *times,
                        uint64_t calls)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    uint64_t before = 0;
    size_t count = 0;
    for (int64_t limit = 1; limit <= 1 << 26 && before < calls; limit *= 2) {
        uint64_t until = wf_redis_times_until(times, limit * WEFT_MICROSECOND);
        if (until == before)
            continue;
        before = until;
        weft_redis_reply_integer(request, limit);
        weft_redis_reply_integer(request, (int64_t)until);
        count++;
    }
    weft_redis_reply_map_deferred(request, mark, count);
}

static bool reply_histogram(weft_redis_request *request, const struct wf_redis_entry *entry)
{
    if (!entry || !entry->times)
        return false;
    reply_text(request, entry->command->name);
    weft_redis_reply_map(request, 2);
    reply_text(request, "calls");
    weft_redis_reply_integer(request, (int64_t)entry->calls);
    reply_text(request, "histogram_usec");
    reply_times(request, entry->times, entry->calls);
    return true;
}

static int histogram(weft_redis_request *request)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    weft_redis_mark mark = weft_redis_reply_defer(request);
    size_t count = 0;
    for (uint32_t i = 0; request->count == 2 && i < commands->count; i++)
        count += reply_histogram(request, &commands->entries[i]);
    for (size_t i = 2; i < request->count; i++)
        count += reply_histogram(request, wf_redis_commands_find(commands, request->args[i]));
    return weft_redis_reply_map_deferred(request, mark, count);
}

int wf_redis_latency_command(weft_redis_request *request, void *app)
{
    static const char *const lines[] = {
        "LATENCY <subcommand> [<arg> ...]. Subcommands are:",
        "HISTOGRAM [<command> ...]: how long commands take",
        "HISTORY <event>: its peaks, and when they were",
        "LATEST: the latest peak of each event",
        "RESET [<event> ...]: forget them",
        NULL,
    };
    (void)app;
    if (weft_redis_is(request->args[1], "histogram"))
        return histogram(request);
    if (weft_redis_is(request->args[1], "history") && request->count == 3)
        return history(request);
    if (weft_redis_is(request->args[1], "latest") && request->count == 2)
        return latest(request);
    if (weft_redis_is(request->args[1], "reset"))
        return forget(request);
    if (weft_redis_is(request->args[1], "help") && request->count == 2)
        return wf_redis_reply_help(request, lines);
    return wf_redis_reply_unknown_subcommand(request);
}
