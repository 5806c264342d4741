/* INFO: sections of lines. What the server knows comes first, then what the application says. */

#include "redis/own.h"

#include "base/compiler.h"

#include <weft/memory.h>

#include <stdio.h>
#include <string.h>

typedef void write_section(weft_redis_request *request, weft_buffer *text);

static void write_server(weft_redis_request *request, weft_buffer *text)
{
    const weft_redis_server *server = request->server;
    int64_t seconds = (weft_now() - server->started) / WEFT_SECOND;
    weft_loop_stats stats;
    weft_loop_get_stats(weft_loop_current(), &stats);
    weft_buffer_append_format(
        text,
        "redis_version:%s\r\nweft_version:" WEFT_VERSION
        "\r\nredis_mode:standalone\r\nserver_name:%s\r\n"
        "arch_bits:%d\r\nmultiplexing_api:%s\r\nuptime_in_seconds:%lld\r\n"
        "uptime_in_days:%lld\r\nlistener0:%s\r\n",
        server->options.version, server->options.name, (int)sizeof(void *) * 8, stats.backend,
        (long long)seconds, (long long)(seconds / 86400), weft_listener_address(server->listener));
}

static void write_clients(weft_redis_request *request, weft_buffer *text)
{
    const weft_redis_server *server = request->server;
    size_t listening = 0, watching = 0;
    WF_LIST_EACH(link, &server->peers) {
        const struct wf_redis_peer *peer = wf_container(link, struct wf_redis_peer, link);
        listening += peer->subscriber != NULL;
        watching += !wf_list_is_empty(&peer->watches);
    }
    weft_buffer_append_format(text,
                              "connected_clients:%zu\r\nmaxclients:%zu\r\nblocked_clients:%zu\r\n"
                              "pubsub_clients:%zu\r\nwatching_clients:%zu\r\n"
                              "clients_memory:%zu\r\nclients_paused:%s\r\n",
                              server->peer_count, server->options.max_clients,
                              server->blocked_count, listening, watching, server->held,
                              server->pause == WF_REDIS_PAUSE_ALL     ? "all"
                              : server->pause == WF_REDIS_PAUSE_WRITE ? "write"
                                                                      : "no");
}

static void write_memory(weft_redis_request *request, weft_buffer *text)
{
    (void)request;
    weft_buffer_append_format(text, "weft_memory_held:%zu\r\n", weft_memory_held());
}

static void write_stats(weft_redis_request *request, weft_buffer *text)
{
    const weft_redis_server *server = request->server;
    weft_buffer_append_format(
        text,
        "total_connections_received:%llu\r\nrejected_connections:%llu\r\n"
        "total_commands_processed:%llu\r\ntotal_error_replies:%llu\r\n"
        "total_net_input_bytes:%llu\r\ntotal_net_output_bytes:%llu\r\n"
        "evicted_clients:%llu\r\nclient_output_buffer_limit_disconnections:%llu\r\n"
        "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\nslowlog_entries:%u\r\n",
        (unsigned long long)server->count.connections, (unsigned long long)server->count.refused,
        (unsigned long long)server->count.commands, (unsigned long long)server->count.failed,
        (unsigned long long)server->count.in, (unsigned long long)server->count.out,
        (unsigned long long)server->count.evicted, (unsigned long long)server->count.too_much,
        server->channels.count, server->pattern_names.count, server->slow.count);
}

static void write_commands(weft_redis_request *request, weft_buffer *text)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    for (uint32_t i = 0; i < commands->count; i++) {
        const struct wf_redis_entry *entry = &commands->entries[i];
        if (entry->calls + entry->rejected == 0)
            continue;
        uint64_t microseconds = entry->time / (uint64_t)WEFT_MICROSECOND;
        weft_buffer_append_format(
            text,
            "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
            "failed_calls=%llu\r\n",
            entry->command->name, (unsigned long long)entry->calls,
            (unsigned long long)microseconds,
            entry->calls ? (double)entry->time / 1000 / (double)entry->calls : 0,
            (unsigned long long)entry->rejected, (unsigned long long)entry->failed);
    }
}

static void write_latencies(weft_redis_request *request, weft_buffer *text)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    for (uint32_t i = 0; i < commands->count; i++) {
        const struct wf_redis_entry *entry = &commands->entries[i];
        if (!entry->times)
            continue;
        weft_buffer_append_format(
            text, "latency_percentiles_usec_%s:p50=%.3f,p99=%.3f,p99.9=%.3f\r\n",
            entry->command->name, (double)wf_redis_times_percentile(entry->times, 50) / 1000,
            (double)wf_redis_times_percentile(entry->times, 99) / 1000,
            (double)wf_redis_times_percentile(entry->times, 99.9) / 1000);
    }
}

static const struct {
    const char *name, *title;
    write_section *write; /* NULL: the application alone */
    bool is_asked_for;    /* not among those that nobody named */
} sections[] = {
    { "server", "Server", write_server, false },
    { "clients", "Clients", write_clients, false },
    { "memory", "Memory", write_memory, false },
    { "persistence", "Persistence", NULL, false },
    { "stats", "Stats", write_stats, false },
    { "commandstats", "Commandstats", write_commands, true },
    { "latencystats", "Latencystats", write_latencies, true },
    { "keyspace", "Keyspace", NULL, false },
};

static bool is_wanted(const weft_redis_request *request, size_t index)
{
    bool wants_usual = request->count == 1;
    for (size_t i = 1; i < request->count; i++) {
        if (weft_redis_is(request->args[i], sections[index].name) ||
            weft_redis_is(request->args[i], "everything"))
            return true;
        wants_usual |=
            weft_redis_is(request->args[i], "all") || weft_redis_is(request->args[i], "default");
        if (weft_redis_is(request->args[i], "all") && sections[index].write)
            return true;
    }
    return wants_usual && !sections[index].is_asked_for;
}

/* A section without a line is left out. */
static void write(weft_redis_request *request, weft_buffer *text, size_t index)
{
    const weft_redis_serve_options *options = &request->server->options;
    weft_buffer lines;
    weft_buffer_init(&lines, 0);
    if (sections[index].write)
        sections[index].write(request, &lines);
    if (options->info)
        options->info(sections[index].name, &lines, options->app);
    size_t size = weft_buffer_readable(&lines);
    if (size > 0) {
        weft_buffer_append_format(text, "%s# %s\r\n", weft_buffer_readable(text) ? "\r\n" : "",
                                  sections[index].title);
        weft_buffer_append(text, weft_buffer_data(&lines), size);
    }
    weft_buffer_fini(&lines);
}

int wf_redis_info(weft_redis_request *request, void *app)
{
    weft_buffer text;
    (void)app;
    weft_buffer_init(&text, 0);
    for (size_t i = 0; i < WF_ARRAY_SIZE(sections); i++)
        if (is_wanted(request, i))
            write(request, &text, i);
    const char *data = weft_buffer_data(&text);
    int err = weft_redis_reply_verbatim(request, data ? data : "", weft_buffer_readable(&text));
    weft_buffer_fini(&text);
    return err;
}
