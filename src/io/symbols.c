/* Names of code addresses.
 *
 *     address ──dl_iterate_phdr──> module ──mmap──> section .symtab (else .dynsym) ──> function
 *
 * A file on disk may be another one than that which was loaded, or cut off: every offset in it is
 * checked against its size, and what makes no sense has no name. A symbol table is read from one
 * end to the other, which happens once for each place at which tasks wait, not for each task. */

#include "io/symbols.h"

#include "base/compiler.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files. */

/* Map a file to read; NULL. */
static const char *map_file(const char *path, size_t *size)
{
    struct stat status;
    void *image = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        *size = (size_t)status.st_size;
        image = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    return image == MAP_FAILED ? NULL : image;
}

/* So many bytes at an offset; NULL: the file is shorter, or they are not aligned. */
static const void *part(const struct wf_module *module, uint64_t offset, uint64_t size,
                        size_t alignment)
{
    if (offset > module->size || size > module->size - offset || offset % alignment != 0)
        return NULL;
    return module->image + offset;
}

static const ElfW(Ehdr) * header_of(const struct wf_module *module)
{
    const ElfW(Ehdr) *header = part(module, 0, sizeof *header, 1);
    bool good = header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                header->e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
                header->e_shentsize == sizeof(ElfW(Shdr));
    return good ? header : NULL;
}

static const ElfW(Shdr) * sections_of(const struct wf_module *module, unsigned *count)
{
    const ElfW(Ehdr) *header = header_of(module);
    *count = header ? header->e_shnum : 0;
    uint64_t size = (uint64_t)*count * sizeof(ElfW(Shdr));
    return header ? part(module, header->e_shoff, size, _Alignof(ElfW(Shdr))) : NULL;
}

/* Symbols. */

struct table {
    const ElfW(Sym) * symbols;
    size_t count;
    const char *names;
    size_t names_size;
};

static bool read_table(const struct wf_module *module, uint32_t type, struct table *table)
{
    unsigned count;
    const ElfW(Shdr) *sections = sections_of(module, &count);
    for (unsigned i = 0; sections && i < count; i++) {
        const ElfW(Shdr) *section = &sections[i];
        if (section->sh_type != type || section->sh_link >= count)
            continue;
        const ElfW(Shdr) *names = &sections[section->sh_link];
        table->symbols = part(module, section->sh_offset, section->sh_size, _Alignof(ElfW(Sym)));
        table->count = section->sh_size / sizeof(ElfW(Sym));
        table->names = part(module, names->sh_offset, names->sh_size, 1);
        table->names_size = names->sh_size;
        return table->symbols && table->names && table->names_size > 0 &&
               table->names[table->names_size - 1] == '\0';
    }
    return false;
}

/* The function that covers an offset; one without a size, as of old assembler, covers nothing.
 * Where several do, one without a compiler's suffix (".localalias") is the better name. */
static bool search(const struct table *table, uintptr_t offset, struct wf_symbol *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const ElfW(Sym) *symbol = &table->symbols[i];
        if ((symbol->st_info & 15) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
            offset < symbol->st_value || offset - symbol->st_value >= symbol->st_size ||
            symbol->st_name >= table->names_size)
            continue;
        out->name = table->names + symbol->st_name;
        out->name_offset = (uint32_t)(out->module_offset - symbol->st_value);
        if (!strchr(out->name, '.'))
            return true;
    }
    return out->name != NULL;
}

/* Modules. */

struct question {
    uintptr_t address;
    uintptr_t base;
    const char *path;
    bool found;
};

#if defined(__GLIBC_PREREQ) && __GLIBC_PREREQ(2, 35)

/* Without the loader's lock. */
static void ask_loader(struct question *question)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)question->address, &object) != 0)
        return;
    question->base = object.dlfo_link_map->l_addr;
    question->path = object.dlfo_link_map->l_name;
    question->found = true;
}

#else

static int is_it(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct question *question = arg;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD || question->address - start >= segment->p_memsz)
            continue;
        question->base = info->dlpi_addr;
        question->path = info->dlpi_name;
        return question->found = true;
    }
    return 0;
}

static void ask_loader(struct question *question)
{
    dl_iterate_phdr(is_it, question);
}

#endif

/* The loader's name of the program itself is empty. */
static void map_module(struct wf_module *module, const struct question *question)
{
    bool is_program = question->path[0] == '\0';
    module->base = question->base;
    module->path = is_program ? "program" : question->path;
    module->image = map_file(is_program ? "/proc/self/exe" : question->path, &module->size);
}

/* NULL: no file's, or there are too many. */
static const struct wf_module *module_of(struct wf_symbols *symbols, uintptr_t address)
{
    struct question question = { .address = address };
    ask_loader(&question);
    if (!question.found)
        return NULL;
    for (unsigned i = 0; i < symbols->module_count; i++)
        if (symbols->modules[i].base == question.base)
            return &symbols->modules[i];
    if (symbols->module_count == WF_SYMBOLS_MODULES)
        return NULL;
    struct wf_module *module = &symbols->modules[symbols->module_count++];
    map_module(module, &question);
    return module;
}

/* A return address may be the first byte after the function that called: look just before it. */
static void look_up(struct wf_symbols *symbols, uintptr_t address, struct wf_symbol *out)
{
    const struct wf_module *module = module_of(symbols, address - 1);
    struct table table;
    *out = (struct wf_symbol){ .address = address, .module_offset = address };
    if (!module)
        return;
    const char *slash = strrchr(module->path, '/');
    out->module = slash ? slash + 1 : module->path;
    out->module_offset = address - module->base;
    if (!module->image)
        return;
    if (read_table(module, SHT_SYMTAB, &table) && search(&table, out->module_offset - 1, out))
        return;
    if (read_table(module, SHT_DYNSYM, &table))
        search(&table, out->module_offset - 1, out);
}

void wf_symbols_open(struct wf_symbols *symbols)
{
    symbols->module_count = 0;
    memset(symbols->cache, 0, sizeof symbols->cache);
}

void wf_symbols_close(struct wf_symbols *symbols)
{
    for (unsigned i = 0; i < symbols->module_count; i++) {
        struct wf_module *module = &symbols->modules[i];
        if (module->image)
            munmap((void *)(uintptr_t)module->image, module->size);
    }
}

const struct wf_symbol *wf_symbol_find(struct wf_symbols *symbols, uintptr_t address)
{
    struct wf_symbol *entry =
        &symbols->cache[(address ^ address >> 6 ^ address >> 12) % WF_SYMBOLS_CACHE];
    if (entry->address != address)
        look_up(symbols, address, entry);
    return entry;
}
