#include "usage.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first bytes of a file of this process, as text; false when there is none. */
static bool read_text(pid_t process, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The number behind "NAME:" in a status file; 0 when it is not there. */
static int64_t number_of(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line != NULL ? strtoll(line + strlen(name), NULL, 10) : 0;
}

/* Fields 14 and 15, in ticks; the second field is a name in parentheses that may hold anything. */
static int64_t cpu_of(pid_t process)
{
    char text[1024];
    if (!read_text(process, "stat", text, sizeof text))
        return 0;
    const char *field = strrchr(text, ')');
    for (int i = 2; i < 14 && field != NULL; i++)
        field = strchr(field + 1, ' ');
    if (field == NULL)
        return 0;
    char *end;
    int64_t user = strtoll(field, &end, 10), system = strtoll(end, NULL, 10);
    return (user + system) * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

struct usage usage_of(pid_t process)
{
    char text[4096];
    if (process <= 0 || !read_text(process, "status", text, sizeof text))
        return (struct usage){ 0 };
    const char *state = strstr(text, "\nState:\t");
    return (struct usage){
        .state = state != NULL ? state[strlen("\nState:\t")] : '\0',
        .threads = (int)number_of(text, "\nThreads:"),
        .resident = number_of(text, "\nVmRSS:") * 1024,
        .resident_peak = number_of(text, "\nVmHWM:") * 1024,
        .cpu = cpu_of(process),
    };
}

int64_t usage_waited(pid_t process)
{
    char text[128];
    if (process <= 0 || !read_text(process, "schedstat", text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    return second != NULL ? strtoll(second, NULL, 10) : 0;
}
