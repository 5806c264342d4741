#ifndef WF_IO_SYMBOLS_H
#define WF_IO_SYMBOLS_H

/* Names of code addresses, static functions included.
 *
 *     struct wf_symbols symbols;
 *     wf_symbols_open(&symbols);
 *     wf_symbol_find(&symbols, address)->name
 *     wf_symbols_close(&symbols);
 *
 * What dladdr() knows are exported names; here the files of the program and of its libraries are
 * read, each mapped when the first address in it is asked for. Found names are kept in a small
 * table, since ten thousand tasks wait at a few places. Nothing is allocated. */

#include <stddef.h>
#include <stdint.h>

#define WF_SYMBOLS_MODULES 32
#define WF_SYMBOLS_CACHE   256 /* a power of two */

struct wf_symbol {
    uintptr_t address;  /* that was asked for; 0: an empty entry */
    const char *name;   /* NULL: not known */
    const char *module; /* the file's name without its folders; NULL: no file's */
    uint32_t name_offset;
    uintptr_t module_offset; /* what addr2line wants */
};

/* A file of the process, mapped. */
struct wf_module {
    uintptr_t base;    /* what was added to its addresses */
    const char *path;  /* the dynamic loader's */
    const char *image; /* NULL: it could not be mapped */
    size_t size;
};

struct wf_symbols {
    struct wf_module modules[WF_SYMBOLS_MODULES];
    unsigned module_count;
    struct wf_symbol cache[WF_SYMBOLS_CACHE];
};

void wf_symbols_open(struct wf_symbols *symbols);
void wf_symbols_close(struct wf_symbols *symbols);

/* What stands at a return address; valid until the next call. */
const struct wf_symbol *wf_symbol_find(struct wf_symbols *symbols, uintptr_t address);

#endif
