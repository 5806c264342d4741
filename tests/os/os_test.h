#ifndef WF_TESTS_OS_OS_TEST_H
#define WF_TESTS_OS_OS_TEST_H

/* What the tests of files share: a folder of their own, which goes with the test. */

#include "../core/core_test.h"

#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static inline const char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline int file_setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/weft-file-XXXXXX");
    return mkdtemp(folder) ? core_setup(state) : -1;
}

static inline int file_teardown(void **state)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return core_teardown(state) | system(command);
}

#define file_test(function) cmocka_unit_test_setup_teardown(function, file_setup, file_teardown)

#endif
