#include "tests/fuzz/checkpoint.h"

#include <string.h>

#include "base/file.h"
#include "tests/fuzz/fuzz.h"

#define must(call) do { \
	struct dcg_error err; \
	int must_ = (call); \
	fuzz_check(must_ == 0, "%s", err.text); \
} while (0)

struct dcg_train_params fuzz_params(int with_average)
{
	struct dcg_train_params p;
	must(dcg_train_params_init(&p, "pytorch", &err));
	p.size = 16;
	p.channels = p.ngf = p.ndf = p.threads = 1;
	p.z_dim = p.batch_size = 2;
	p.ema = with_average ? 0.9 : 0;
	strcpy(p.kernel, "openblas");
	return p;
}

char *fuzz_checkpoint(const struct dcg_train_params *p, size_t *ret_size)
{
	struct dcg_train_state state = { .step = 7, .epoch = 1, .epoch_steps = 2, .updates_g = 7, .updates_d = 7, .count = 10 };
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_backend *be;
	struct dcg_gan *gan;
	struct dcg_snapshot *s;
	char path[300], *bytes;
	memset(state.fingerprint, 'b', sizeof state.fingerprint - 1);
	strcpy(state.kernel, p->kernel);
	must(dcg_backend_open(&be, p->kernel, "auto", 1, &err));
	must(dcg_gan_new(&gan, be, &cfg, &err));
	must(dcg_gan_init(gan, 1, &err));
	must(dcg_snapshot_new(&s, gan, p->ema > 0, &err));
	dcg_snapshot_take(s, gan, p, &state);
	snprintf(path, sizeof path, "%s/made", fuzz_folder());
	must(dcg_snapshot_write(s, path, NULL, NULL, &err));
	must(dcg_file_read(path, 1 << 20, &bytes, ret_size, &err));
	fuzz_remove(path);
	dcg_snapshot_free(s);
	dcg_gan_free(gan);
	dcg_backend_close(be);
	return bytes;
}
