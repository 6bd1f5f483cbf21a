/* The processor's own tiles; called only where they may be used. */
#pragma GCC target("amx-tile,amx-bf16")
#include <stddef.h>

#include "kernel/amx/tiles.h"

#define TURN turn_real
#include "tests/kernel/tile_turn.inc.h"
