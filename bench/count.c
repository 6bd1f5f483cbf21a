/* One training step for an instruction counter that is told to look at bench_counted_step
 * alone: set-up, allocation and the loading of libraries are left out. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"

void bench_counted_step(struct dcg_gan *gan, struct dcg_gan_losses *losses);

__attribute__((noinline, noclone, externally_visible)) void bench_counted_step(struct dcg_gan *gan, struct dcg_gan_losses *losses)
{
	dcg_gan_update_d(gan, losses);
	dcg_gan_update_g(gan, 0, losses);
}

int bench_count(const struct bench *b)
{
	struct dcg_gan_losses losses;
	struct dcg_backend *be = bench_backend(b);
	struct dcg_gan *gan = bench_gan(b, be);
	bench_counted_step(gan, &losses);
	printf("{\"kernel\":\"%s\",\"loss_d\":%.6f,\"loss_g\":%.6f}\n", b->kernel, losses.loss_d, losses.loss_g);
	dcg_gan_free(gan);
	dcg_backend_close(be);
	return 0;
}
