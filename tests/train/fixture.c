#include "tests/train/fixture.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];
static pid_t folder_owner;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static void remove_folder(void)
{
	if (getpid() == folder_owner)
		nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_folder(void)
{
	if (folder_owner == getpid())
		return folder;
	snprintf(folder, sizeof folder, "/tmp/dcg-train-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	folder_owner = getpid();
	atexit(remove_folder);
	return folder;
}

const char *fixture_path(const char *name)
{
	static char paths[8][256];
	static int next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof paths[0], "%s/%s", fixture_folder(), name);
	return path;
}

struct dcg_dataset *fixture_dataset(int count)
{
	enum { SIDE = 16, HEADER = 16 };
	struct dcg_error err = { 0 };
	struct dcg_source *source;
	struct dcg_dataset *ds;
	struct dcg_prepare how = { .size = SIDE, .channels = 1, .on_error = DCG_ON_ERROR_FAIL };
	char name[64];
	size_t size = HEADER + (size_t)count * SIDE * SIDE;
	unsigned char *idx = calloc(1, size);
	ck_assert_ptr_nonnull(idx);
	memcpy(idx, (unsigned char[HEADER]){ 0, 0, 8, 3, 0, 0, (unsigned char)(count >> 8), (unsigned char)count,
		0, 0, 0, SIDE, 0, 0, 0, SIDE }, HEADER);
	for (int i = 0; i < count; i++)
		for (int y = 0; y < SIDE; y++)
			for (int x = 0; x < SIDE; x++) {
				int dx = x - 3 - i * 5 % 11, dy = y - 3 - i * 3 % 10;
				idx[HEADER + (i * SIDE + y) * SIDE + x] = dx * dx + dy * dy < 12 ? 220 : (unsigned char)(i * 7 % 60);
			}
	snprintf(name, sizeof name, "pictures-%d.idx3-ubyte", count);
	ck_assert_msg(!dcg_file_write_atomic(fixture_path(name), idx, size, &err), "%s", err.text);
	free(idx);
	ck_assert_msg(!dcg_source_open(&source, fixture_path(name), DCG_SOURCE_IDX, &err), "%s", err.text);
	snprintf(name, sizeof name, "pictures-%d.data", count);
	ck_assert_msg(!dcg_dataset_load(&ds, fixture_path(name), source, &how, &err), "%s", err.text);
	dcg_source_close(source);
	return ds;
}

struct dcg_train_params fixture_params(void)
{
	struct dcg_train_params p;
	struct dcg_error err = { 0 };
	ck_assert_msg(!dcg_train_params_init(&p, "pytorch", &err), "%s", err.text);
	p.size = 16;
	p.channels = 1;
	p.ngf = p.ndf = 2;
	p.z_dim = 8;
	p.batch_size = 4;
	p.threads = 1;
	p.epochs = 2;
	p.sample_count = 5;
	return p;
}

struct dcg_gan *fixture_gan(const struct dcg_train_params *p, struct dcg_backend **be)
{
	struct dcg_gan_config cfg = dcg_train_params_gan(p);
	struct dcg_error err = { 0 };
	struct dcg_gan *gan;
	ck_assert_msg(!dcg_backend_open(be, p->kernel, p->precision, p->threads, &err), "%s", err.text);
	ck_assert_msg(!dcg_gan_new(&gan, *be, &cfg, &err), "%s", err.text);
	ck_assert_int_eq(dcg_gan_init(gan, (uint64_t)p->seed, &err), 0);
	return gan;
}

void fixture_gan_free(struct dcg_gan *gan, struct dcg_backend *be)
{
	dcg_gan_free(gan);
	dcg_backend_close(be);
}

float *fixture_weights(struct dcg_gan *gan, size_t *ret_count)
{
	static const enum dcg_part parts[] = { DCG_VALUE, DCG_MOMENT1, DCG_MOMENT2, DCG_AVERAGE };
	struct dcg_net *net[2] = { dcg_gan_g(gan), dcg_gan_d(gan) };
	float *out = NULL;
	size_t n = 0;
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < dcg_net_array_count(net[k]); i++) {
			const struct dcg_net_array *a = dcg_net_array(net[k], i);
			for (int j = 0; j < (a->param ? 4 : 1); j++) {
				out = realloc(out, (n + a->count) * sizeof *out);
				ck_assert_ptr_nonnull(out);
				dcg_net_array_read(net[k], i, parts[j], out + n);
				n += a->count;
			}
		}
	*ret_count = n;
	return out;
}

struct dcg_trainer *fixture_trainer(const struct dcg_train_params *p, const struct dcg_dataset *ds, const char *resume)
{
	struct dcg_error err = { 0 };
	struct dcg_trainer *t;
	struct dcg_trainer_config cfg = { .params = p, .dataset = ds, .sample_folder = fixture_folder(),
		.checkpoint_folder = fixture_folder(), .resume = resume };
	ck_assert_msg(!dcg_trainer_new(&t, &cfg, &err), "%s", err.text);
	return t;
}

const struct dcg_event *run_next(struct run *run, struct dcg_trainer *t)
{
	run->event = realloc(run->event, (size_t)(run->count + 1) * sizeof *run->event);
	ck_assert_ptr_nonnull(run->event);
	ck_assert_int_eq(dcg_trainer_next(t, &run->event[run->count], 60000), 0);
	return &run->event[run->count++];
}

const struct dcg_event *run_until(struct run *run, struct dcg_trainer *t, enum dcg_event_type type, int64_t step)
{
	const struct dcg_event *e;
	do {
		e = run_next(run, t);
		ck_assert_msg(e->type == type || e->type != DCG_EVENT_END, "the run ended before event %d of step %d: %s", (int)type, (int)step,
			e->u.end.error.text);
	} while (e->type != type || (step >= 0 && e->step != step));
	return e;
}

struct run run_all(struct dcg_trainer *t)
{
	struct run run = { 0 };
	struct dcg_event after;
	struct dcg_error err = { 0 };
	ck_assert_int_eq(dcg_trainer_next(t, &after, 0), DCG_ESTATE);
	ck_assert_msg(!dcg_trainer_start(t, &err), "%s", err.text);
	while (run_next(&run, t)->type != DCG_EVENT_END)
		;
	ck_assert_int_eq(dcg_trainer_next(t, &after, -1), DCG_EEND);
	dcg_trainer_free(t);
	run_check_order(&run, run.event[0].step);
	return run;
}

void run_check_order(const struct run *run, int64_t first_step)
{
	int64_t step = first_step;
	ck_assert_int_eq(run->event[0].type, DCG_EVENT_STARTED);
	ck_assert_int_eq(run->event[run->count - 1].type, DCG_EVENT_END);
	for (int i = 0; i < run->count; i++) {
		const struct dcg_event *e = &run->event[i];
		if (e->type == DCG_EVENT_METRIC)
			ck_assert_int_eq(e->step, ++step);
		else if (e->type == DCG_EVENT_EPOCH || e->type == DCG_EVENT_END)
			ck_assert_int_eq(e->step, step);
		else
			ck_assert_int_le(e->step, step);
	}
}

int run_count(const struct run *run, enum dcg_event_type type)
{
	int n = 0;
	for (int i = 0; i < run->count; i++)
		n += run->event[i].type == type;
	return n;
}

const struct dcg_event *run_last(const struct run *run, enum dcg_event_type type)
{
	for (int i = run->count - 1; i >= 0; i--)
		if (run->event[i].type == type)
			return &run->event[i];
	return NULL;
}

void run_done(struct run *run)
{
	free(run->event);
	*run = (struct run){ 0 };
}
