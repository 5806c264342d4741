#include "check.h"
int check_main(bool quick)
{
    return quick;
}
