/* COMMAND: which commands there are. */

#include "redis/own.h"

#include <string.h>

static const struct {
    uint32_t flag;
    const char *name;
} flag_names[] = {
    { WEFT_REDIS_WRITE, "write" },       { WEFT_REDIS_READ, "readonly" },
    { WEFT_REDIS_FAST, "fast" },         { WEFT_REDIS_BLOCKS, "blocking" },
    { WEFT_REDIS_ADMIN, "admin" },       { WEFT_REDIS_NO_AUTH, "no_auth" },
    { WEFT_REDIS_NO_MULTI, "no_multi" },
};

static int reply_text(weft_redis_request *request, const char *text)
{
    return weft_redis_reply_string(request, text, strlen(text));
}

static void describe_flags(weft_redis_request *request, uint32_t flags)
{
    weft_redis_mark mark = weft_redis_reply_defer(request);
    size_t count = 0;
    for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++) {
        if (!(flags & flag_names[i].flag))
            continue;
        weft_redis_reply_status(request, flag_names[i].name);
        count++;
    }
    weft_redis_reply_set_deferred(request, mark, count);
}

static void describe(weft_redis_request *request, const struct wf_redis_entry *entry)
{
    const weft_redis_command *command = entry->command;
    weft_redis_reply_array(request, 10);
    reply_text(request, command->name);
    weft_redis_reply_integer(request, command->arity ? command->arity : -1);
    describe_flags(request, command->flags);
    weft_redis_reply_integer(request, command->first_key);
    weft_redis_reply_integer(request, command->last_key);
    weft_redis_reply_integer(request,
                             command->first_key ? command->key_step ? command->key_step : 1 : 0);
    for (int i = 0; i < 4; i++) /* categories, tips, key specifications, subcommands */
        weft_redis_reply_array(request, 0);
}

static void document(weft_redis_request *request, const struct wf_redis_entry *entry)
{
    const weft_redis_command *command = entry->command;
    reply_text(request, command->name);
    weft_redis_reply_map(request, 2);
    reply_text(request, "summary");
    reply_text(request, command->summary ? command->summary : "");
    reply_text(request, "group");
    reply_text(request, command->group ? command->group : "generic");
}

/* All, or those that are named: of one that is not known there is a null, or, in a map, nothing. */
static int describe_some(weft_redis_request *request)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    bool all = request->count <= 2;
    weft_redis_reply_array(request, all ? commands->count : request->count - 2);
    for (uint32_t i = 0; all && i < commands->count; i++)
        describe(request, &commands->entries[i]);
    for (size_t i = 2; i < request->count; i++) {
        const struct wf_redis_entry *entry = wf_redis_commands_find(commands, request->args[i]);
        if (entry)
            describe(request, entry);
        else
            weft_redis_reply_null_array(request);
    }
    return 0;
}

static int document_some(weft_redis_request *request)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    weft_redis_mark mark = weft_redis_reply_defer(request);
    size_t count = 0;
    for (uint32_t i = 0; request->count == 2 && i < commands->count; i++, count++)
        document(request, &commands->entries[i]);
    for (size_t i = 2; i < request->count; i++) {
        const struct wf_redis_entry *entry = wf_redis_commands_find(commands, request->args[i]);
        if (!entry)
            continue;
        document(request, entry);
        count++;
    }
    return weft_redis_reply_map_deferred(request, mark, count);
}

static int list(weft_redis_request *request)
{
    const struct wf_redis_commands *commands = &request->server->commands;
    weft_redis_reply_array(request, commands->count);
    for (uint32_t i = 0; i < commands->count; i++)
        reply_text(request, commands->entries[i].command->name);
    return 0;
}

static int list_keys(weft_redis_request *request)
{
    const struct wf_redis_entry *entry =
        wf_redis_commands_find(&request->server->commands, request->args[2]);
    size_t first, last, step, count = request->count - 2;
    if (!entry)
        return weft_redis_reply_error(request, "ERR Invalid command specified");
    if (!wf_redis_command_takes(entry->command, count))
        return weft_redis_reply_error(request, "ERR Invalid number of arguments specified for "
                                               "command");
    if (!wf_redis_command_keys(entry->command, count, &first, &last, &step))
        return weft_redis_reply_error(request, "ERR The command has no key arguments");
    weft_redis_reply_array(request, (last - first) / step + 1);
    for (size_t i = first; i <= last; i += step)
        weft_redis_reply_string(request, request->args[i + 2].data, request->args[i + 2].size);
    return 0;
}

static int help(weft_redis_request *request)
{
    static const char *const lines[] = {
        "COMMAND [<subcommand> [<arg> ...]]. Without one: all commands. Subcommands are:",
        "COUNT: how many there are",
        "DOCS [<name> ...]: what they do",
        "GETKEYS <command> [<arg> ...]: which arguments are keys",
        "INFO [<name> ...]: how they are called",
        "LIST: their names",
        NULL,
    };
    return wf_redis_reply_help(request, lines);
}

int wf_redis_command_command(weft_redis_request *request, void *app)
{
    (void)app;
    if (request->count == 1 || weft_redis_is(request->args[1], "info"))
        return describe_some(request);
    if (weft_redis_is(request->args[1], "docs"))
        return document_some(request);
    if (weft_redis_is(request->args[1], "count") && request->count == 2)
        return weft_redis_reply_integer(request, request->server->commands.count);
    if (weft_redis_is(request->args[1], "list") && request->count == 2)
        return list(request);
    if (weft_redis_is(request->args[1], "getkeys") && request->count > 2)
        return list_keys(request);
    if (weft_redis_is(request->args[1], "help") && request->count == 2)
        return help(request);
    return wf_redis_reply_unknown_subcommand(request);
}
