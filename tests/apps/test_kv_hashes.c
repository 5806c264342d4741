#include "kv_command_test.h"
int main(void){return 0;}
