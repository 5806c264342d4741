#ifndef WF_HTTP_TABLE_H
#define WF_HTTP_TABLE_H

/* Hash tables of the client's few thousand names, in the objects that have them.
 *
 *     uint32_t hash = wf_http_hash(name);
 *     WF_HTTP_TABLE_EACH(entry, &table, hash)
 *         if (entry->hash == hash && strcmp(thing_of(entry)->name, name) == 0)
 *             ...
 *
 * All zero is an empty table. With 1,000 names a search meets four. */

#include <stdint.h>

#define WF_HTTP_TABLE_SIZE 256

struct wf_http_entry {
    struct wf_http_entry *next; /* with the same last bits of the hash */
    uint32_t hash;
};

struct wf_http_table {
    struct wf_http_entry *heads[WF_HTTP_TABLE_SIZE];
};

/* FNV-1a. The same for letters of either case, as the names of hosts are. */
static inline uint32_t wf_http_hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        hash = (hash ^ (byte >= 'A' && byte <= 'Z' ? byte | 32u : byte)) * 16777619u;
    }
    return hash;
}

/* Every entry of this hash, among others. */
#define WF_HTTP_TABLE_EACH(entry, table, hash)                                                     \
    for (struct wf_http_entry *entry = (table)->heads[(hash) % WF_HTTP_TABLE_SIZE]; entry;         \
         entry = entry->next)

static inline void wf_http_table_add(struct wf_http_table *table, struct wf_http_entry *entry,
                                     uint32_t hash)
{
    struct wf_http_entry **head = &table->heads[hash % WF_HTTP_TABLE_SIZE];
    entry->hash = hash;
    entry->next = *head;
    *head = entry;
}

static inline void wf_http_table_remove(struct wf_http_table *table, struct wf_http_entry *entry)
{
    struct wf_http_entry **link = &table->heads[entry->hash % WF_HTTP_TABLE_SIZE];
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
}

#endif
