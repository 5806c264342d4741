#ifndef WF_CONTEXT_DEPTH_H
#define WF_CONTEXT_DEPTH_H

/* How deep a stack was used, found without touching what was not.
 *
 *     low                    lowest used word             top
 *      | not resident | not resident | 0000 xxxx | xxxx xxxx |
 *                                   ↑ by page  ↑ by word
 *
 * The kernel knows which pages were ever touched, and a page that never was reads as zeroes once it
 * is. So a stack whose memory was new when it began needs no paint: its lowest resident page says
 * how deep it was to a page, and the lowest word in it that is not zero says so to a word. One that
 * was used before is made like new first, below the stack pointer.
 *
 * What swapping has taken away looks untouched. Where memory is locked every page is resident: then
 * there is no answer by page, and by word the first word that is not zero is looked for.
 *
 * mincore() costs 1 us for 64 KiB, making like new as much and a page fault for each page that is
 * used again. */

#include <stdbool.h>
#include <stddef.h>

/* Is what nobody has touched not resident? Else memory is locked, or the kernel says yes to
 * everything. To be asked once before the rest is used: what the dynamic linker does at a first
 * call takes kilobytes of stack, and should not be found where depths are. */
bool wf_depth_is_told(void);

/* The lowest page in [low, top) that was touched; NULL: not to be found out. `low` begins a page.
 */
const char *wf_depth_page(char *low, const char *top);

/* The lowest word that is not zero; a page that was touched and holds only zeroes counts whole. */
const char *wf_depth_word(char *low, const char *top);

/* Let everything from `low` to the caller's frame, less some 300 bytes, read as zeroes and hold no
 * memory. Of the running stack. */
void wf_depth_clear(char *low);

/* What each stack holds, of so many bytes from one to the next: without its guard and the largest
 * colour. */
size_t wf_depth_room(size_t stride);

#endif
