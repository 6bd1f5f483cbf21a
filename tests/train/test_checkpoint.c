/* Checkpoints: everything comes back bit for bit, and nothing that was tampered with does. */
#include <dirent.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/train/fixture.h"
#include "train/layout.h"

static struct dcg_train_state example_state(void)
{
	return (struct dcg_train_state){
		.step = 17, .epoch = 3, .epoch_steps = 2, .updates_g = 18, .updates_d = 34,
		.z = { UINT64_MAX, UINT64_C(1) << 63 | 1, UINT64_C(9007199254740993) }, .count = UINT32_MAX,
		.fingerprint = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", .kernel = "ref",
	};
}

/* Values that a float's text would lose, everywhere. */
static void fill(struct dcg_gan *gan, uint64_t seed)
{
	static const enum dcg_part parts[] = { DCG_VALUE, DCG_MOMENT1, DCG_MOMENT2, DCG_AVERAGE };
	struct dcg_net *net[2] = { dcg_gan_g(gan), dcg_gan_d(gan) };
	struct dcg_rng rng;
	dcg_rng_init(&rng, seed, 0);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < dcg_net_array_count(net[k]); i++) {
			const struct dcg_net_array *a = dcg_net_array(net[k], i);
			float *v = malloc(a->count * sizeof *v);
			for (int j = 0; j < (a->param ? 4 : 1); j++) {
				dcg_rng_uniform(&rng, v, a->count, 1e-30f, 1);
				dcg_net_array_write(net[k], i, parts[j], v);
			}
			free(v);
		}
		dcg_net_set_batches_tracked(net[k], 1000 + k);
	}
	dcg_gan_set_updates(gan, 18, 34);
}

static void write_example(const char *path, const struct dcg_train_params *p)
{
	struct dcg_backend *be;
	struct dcg_gan *gan = fixture_gan(p, &be);
	struct dcg_train_state state = example_state();
	struct dcg_snapshot *s;
	struct dcg_error err;
	fill(gan, 1);
	ck_assert_msg(!dcg_snapshot_new(&s, gan, p->ema > 0, &err), "%s", err.text);
	dcg_snapshot_take(s, gan, p, &state);
	ck_assert_msg(!dcg_snapshot_write(s, path, NULL, NULL, &err), "%s", err.text);
	dcg_snapshot_free(s);
	fixture_gan_free(gan, be);
}

/* Bits, not values. */
static void assert_same(struct dcg_gan *a, struct dcg_gan *b)
{
	size_t n, m;
	float *x = fixture_weights(a, &n), *y = fixture_weights(b, &m);
	ck_assert_uint_eq(n, m);
	ck_assert_int_eq(memcmp(x, y, n * sizeof *x), 0);
	ck_assert_int_eq(dcg_net_batches_tracked(dcg_gan_g(a)), dcg_net_batches_tracked(dcg_gan_g(b)));
	ck_assert_int_eq(dcg_net_batches_tracked(dcg_gan_d(a)), dcg_net_batches_tracked(dcg_gan_d(b)));
	ck_assert_int_eq(dcg_gan_updates_g(a), dcg_gan_updates_g(b));
	ck_assert_int_eq(dcg_gan_updates_d(a), dcg_gan_updates_d(b));
	free(x);
	free(y);
}

START_TEST(everything_comes_back)
{
	struct dcg_train_params p = fixture_params();
	p.ema = _i ? 0.99 : 0;
	p.arch = _i == 2 ? DCG_ARCH_PAPER : DCG_ARCH_PYTORCH;
	p.lr_g = nextafter(0.0003, 1);
	struct dcg_backend *be, *be2;
	struct dcg_gan *gan = fixture_gan(&p, &be), *other = fixture_gan(&p, &be2);
	struct dcg_train_state state = example_state();
	struct dcg_snapshot *s;
	struct dcg_checkpoint *c;
	struct dcg_error err = { 0 };
	uint64_t size = 0;
	char hex[DCG_SHA256_HEX], again[DCG_SHA256_HEX];
	const char *path = fixture_path("c.safetensors");
	fill(gan, 1);
	ck_assert_msg(!dcg_snapshot_new(&s, gan, p.ema > 0, &err), "%s", err.text);
	dcg_snapshot_take(s, gan, &p, &state);
	fill(gan, 2); /* the copy is a copy */
	ck_assert_msg(!dcg_snapshot_write(s, path, &size, hex, &err), "%s", err.text);
	fill(gan, 1);
	char *bytes;
	size_t length;
	ck_assert_int_eq(dcg_file_read(path, 1 << 24, &bytes, &length, &err), 0);
	ck_assert_uint_eq(length, size);
	dcg_sha256(bytes, length, again);
	ck_assert_str_eq(hex, again);
	free(bytes);

	ck_assert_msg(!dcg_checkpoint_open(&c, path, &err), "%s", err.text);
	ck_assert_int_eq(dcg_checkpoint_has_average(c), p.ema > 0);
	ck_assert(dcg_checkpoint_params(c)->lr_g == p.lr_g);
	ck_assert_int_eq(dcg_checkpoint_params(c)->arch, p.arch);
	const struct dcg_train_state *t = dcg_checkpoint_state(c);
	ck_assert_int_eq(t->step, state.step);
	ck_assert_int_eq(t->epoch, state.epoch);
	ck_assert_int_eq(t->epoch_steps, state.epoch_steps);
	ck_assert(t->z.seed == state.z.seed && t->z.stream == state.z.stream && t->z.counter == state.z.counter);
	ck_assert_uint_eq(t->count, state.count);
	ck_assert_str_eq(t->fingerprint, state.fingerprint);
	ck_assert_str_eq(t->kernel, state.kernel);

	fill(other, 3);
	ck_assert_msg(!dcg_checkpoint_restore(c, other, 1, &err), "%s", err.text);
	if (!(p.ema > 0)) { /* then the average begins at the weights */
		struct dcg_net *g = dcg_gan_g(other);
		float v[4096], w[4096];
		for (int i = 0; i < dcg_net_array_count(g); i++) {
			if (!dcg_net_array(g, i)->param)
				continue;
			ck_assert_uint_le(dcg_net_array(g, i)->count, 4096);
			dcg_net_array_read(g, i, DCG_VALUE, v);
			dcg_net_array_read(g, i, DCG_AVERAGE, w);
			ck_assert_mem_eq(v, w, dcg_net_array(g, i)->count * sizeof *v);
			dcg_net_array_write(dcg_gan_g(gan), i, DCG_AVERAGE, v);
		}
	}
	/* D's average is not kept: nothing reads it. */
	for (int i = 0; i < dcg_net_array_count(dcg_gan_d(gan)); i++)
		if (dcg_net_array(dcg_gan_d(gan), i)->param) {
			float v[4096];
			dcg_net_array_read(dcg_gan_d(gan), i, DCG_AVERAGE, v);
			dcg_net_array_write(dcg_gan_d(other), i, DCG_AVERAGE, v);
		}
	assert_same(gan, other);

	/* Without the optimiser: weights come, moments and counts stay. */
	fill(other, 4);
	dcg_gan_set_updates(other, 5, 6);
	float before[4096], after[4096];
	dcg_net_array_read(dcg_gan_g(other), 0, DCG_MOMENT2, before);
	ck_assert_int_eq(dcg_checkpoint_restore(c, other, 0, &err), 0);
	dcg_net_array_read(dcg_gan_g(other), 0, DCG_MOMENT2, after);
	size_t count = dcg_net_array(dcg_gan_g(other), 0)->count;
	ck_assert_mem_eq(before, after, count * sizeof *before);
	dcg_net_array_read(dcg_gan_g(other), 0, DCG_VALUE, after);
	dcg_net_array_read(dcg_gan_g(gan), 0, DCG_VALUE, before);
	ck_assert_mem_eq(before, after, count * sizeof *before);
	ck_assert_int_eq(dcg_gan_updates_d(other), 6);

	dcg_checkpoint_close(c);
	dcg_snapshot_free(s);
	fixture_gan_free(other, be2);
	fixture_gan_free(gan, be);
}
END_TEST

START_TEST(the_average_is_what_g_is_restored_with)
{
	struct dcg_train_params p = fixture_params();
	p.ema = 0.5;
	write_example(fixture_path("c"), &p);
	struct dcg_backend *be, *be2;
	struct dcg_gan *gan = fixture_gan(&p, &be), *other = fixture_gan(&p, &be2);
	struct dcg_checkpoint *c;
	struct dcg_error err;
	float v[4096], w[4096];
	fill(gan, 1);
	ck_assert_int_eq(dcg_checkpoint_open(&c, fixture_path("c"), &err), 0);
	for (int average = 0; average < 2; average++) {
		ck_assert_int_eq(dcg_checkpoint_restore_g(c, dcg_gan_g(other), average, &err), 0);
		for (int i = 0; i < dcg_net_array_count(dcg_gan_g(gan)); i++) {
			const struct dcg_net_array *a = dcg_net_array(dcg_gan_g(gan), i);
			dcg_net_array_read(dcg_gan_g(gan), i, average && a->param ? DCG_AVERAGE : DCG_VALUE, v);
			dcg_net_array_read(dcg_gan_g(other), i, DCG_VALUE, w);
			ck_assert_mem_eq(v, w, a->count * sizeof *v);
		}
	}
	dcg_checkpoint_close(c);
	fixture_gan_free(other, be2);
	fixture_gan_free(gan, be);
}
END_TEST

START_TEST(other_networks_are_refused_by_name)
{
	struct dcg_train_params p = fixture_params(), wider = p;
	struct dcg_checkpoint *c;
	struct dcg_error err;
	struct dcg_backend *be;
	wider.ndf = 3;
	write_example(fixture_path("c"), &p);
	ck_assert_int_eq(dcg_checkpoint_open(&c, fixture_path("c"), &err), 0);
	struct dcg_gan *gan = fixture_gan(&wider, &be);
	ck_assert_int_eq(dcg_checkpoint_restore(c, gan, 1, &err), DCG_EFORMAT);
	ck_assert_msg(strstr(err.text, "D.main.0.weight is 2x1x4x4 in the checkpoint, the network has main.0.weight of 3x1x4x4") != NULL, "%s", err.text);
	ck_assert_int_eq(dcg_checkpoint_restore_g(c, dcg_gan_g(gan), 0, &err), 0); /* G is the same */
	fixture_gan_free(gan, be);
	dcg_checkpoint_close(c);
}
END_TEST

START_TEST(weights_that_are_not_finite_are_never_written)
{
	static const float poison[] = { NAN, INFINITY, -INFINITY };
	struct dcg_train_params p = fixture_params();
	struct dcg_train_state state = example_state();
	struct dcg_snapshot *s;
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_gan *gan = fixture_gan(&p, &be);
	ck_assert_int_eq(dcg_snapshot_new(&s, gan, 0, &err), 0);
	for (int i = 0; i < 3; i++) {
		float v[4096];
		dcg_net_array_read(dcg_gan_d(gan), 1, DCG_MOMENT1, v);
		v[3] = poison[i];
		dcg_net_array_write(dcg_gan_d(gan), 1, DCG_MOMENT1, v);
		dcg_snapshot_take(s, gan, &p, &state);
		ck_assert_int_eq(dcg_snapshot_write(s, fixture_path("bad"), NULL, NULL, &err), DCG_ENONFINITE);
		ck_assert_msg(strstr(err.text, "step 17: D.main.2.weight.adam_m[3] is") != NULL, "%s", err.text);
	}
	DIR *d = opendir(fixture_folder());
	struct dirent *e;
	while ((e = readdir(d)))
		ck_assert_msg(e->d_name[0] == '.' && strlen(e->d_name) < 3, "%s is there", e->d_name);
	closedir(d);
	dcg_snapshot_free(s);
	fixture_gan_free(gan, be);
}
END_TEST

/* --- Tampering --------------------------------------------------------------------------- */

static char *original;
static size_t original_size, header_end;

static void read_original(void)
{
	struct dcg_train_params p = fixture_params();
	struct dcg_error err;
	uint64_t n = 0;
	p.ngf = p.ndf = 1;
	p.z_dim = 1;
	p.ema = 0.9;
	write_example(fixture_path("c"), &p);
	ck_assert_int_eq(dcg_file_read(fixture_path("c"), 1 << 24, &original, &original_size, &err), 0);
	memcpy(&n, original, 8);
	header_end = 8 + (size_t)n;
}

/* Opens and, if that goes well, restores. */
static int try_bytes(const char *bytes, size_t size, struct dcg_gan *gan, struct dcg_error *err)
{
	struct dcg_checkpoint *c;
	FILE *f = fopen(fixture_path("m"), "wb"); /* thousands of them: no syncing */
	ck_assert(f && fwrite(bytes, 1, size, f) == size && fclose(f) == 0);
	int r = dcg_checkpoint_open(&c, fixture_path("m"), err);
	if (r)
		return r;
	r = dcg_checkpoint_restore(c, gan, 1, err);
	dcg_checkpoint_close(c);
	return r;
}

static struct dcg_gan *small_gan(struct dcg_backend **be)
{
	struct dcg_train_params p = fixture_params();
	p.ngf = p.ndf = 1;
	p.z_dim = 1;
	return fixture_gan(&p, be);
}

START_TEST(every_truncation_is_noticed)
{
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_gan *gan = small_gan(&be);
	read_original();
	ck_assert_int_eq(try_bytes(original, original_size, gan, &err), 0);
	for (size_t n = 0; n < original_size; n += n < 64 || (n + 40 > header_end && n < header_end + 64) || n + 40 > original_size ? 1 : 37) {
		int r = try_bytes(original, n, gan, &err);
		ck_assert_msg(r == DCG_EFORMAT, "%zu bytes of %zu: %d", n, original_size, r);
	}
	char *longer = malloc(original_size + 8);
	memcpy(longer, original, original_size);
	memset(longer + original_size, 0, 8);
	for (size_t n = 1; n <= 8; n++)
		ck_assert_int_eq(try_bytes(longer, original_size + n, gan, &err), DCG_EFORMAT);
	free(longer);
	free(original);
	fixture_gan_free(gan, be);
}
END_TEST

/* Deterministic damage: nothing may crash, and what is accepted must restore finite values. */
START_TEST(damaged_files_do_no_harm)
{
	enum { ROUNDS = 3000 };
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_gan *gan = small_gan(&be);
	struct dcg_rng rng;
	int accepted = 0, refused = 0;
	read_original();
	char *bytes = malloc(original_size + 64);
	dcg_rng_init(&rng, 20240229, 0);
	for (int round = 0; round < ROUNDS; round++) {
		static const char tokens[] = "\"{}[]:,0189-.eE\\untf ";
		size_t size = original_size, end = round % 4 == 3 ? original_size : header_end;
		memcpy(bytes, original, original_size);
		for (uint32_t k = 0, changes = 1 + dcg_rng_below(&rng, 3); k < changes; k++) {
			size_t at = dcg_rng_below(&rng, (uint32_t)end);
			switch (dcg_rng_below(&rng, 4)) {
			case 0: bytes[at] = (char)dcg_rng_u64(&rng); break;
			case 1: bytes[at] ^= (char)(1 << dcg_rng_below(&rng, 8)); break;
			case 2: bytes[at] = tokens[dcg_rng_below(&rng, sizeof tokens - 1)]; break;
			case 3: /* move a piece over another */
				memmove(bytes + at, bytes + dcg_rng_below(&rng, (uint32_t)(end - 32)), at + 32 <= end ? 32 : end - at);
				break;
			}
		}
		int r = try_bytes(bytes, size, gan, &err);
		if (r) {
			refused++;
			ck_assert_int_eq(err.code, r);
			ck_assert_uint_gt(strlen(err.text), 10);
			continue;
		}
		accepted++;
		size_t n;
		float *w = fixture_weights(gan, &n);
		for (size_t i = 0; i < n; i++)
			ck_assert(isfinite(w[i]));
		free(w);
	}
	ck_assert_int_gt(refused, ROUNDS / 2);
	ck_assert_int_gt(accepted, 10); /* a seed's digit, a weight's bit */
	free(bytes);
	free(original);
	fixture_gan_free(gan, be);
}
END_TEST

/* The first `from` in the header becomes `to`, of the same length. */
static void swap(char *bytes, const char *from, const char *to)
{
	ck_assert_uint_eq(strlen(from), strlen(to));
	char *at = memmem(bytes + 8, header_end - 8, from, strlen(from));
	ck_assert_msg(at != NULL, "%s", from);
	memcpy(at, to, strlen(to));
}

START_TEST(each_fault_is_named)
{
	static const struct {
		const char *from, *to;
		int code;
		const char *text;
	} rows[] = {
		{ "dcgand-checkpoint", "dcgand-chequepnts", DCG_EFORMAT, "not a checkpoint of dcgand" },
		{ "\"version\":\"1\"", "\"version\":\"2\"", DCG_EVERSION, "version 2, this program reads up to 1" },
		{ "\"version\":\"1\"", "\"version\":\"x\"", DCG_EFORMAT, "version is not a number" },
		{ "\"version\":\"1\"", "\"version\":\"0\"", DCG_EFORMAT, "version is not a number" },
		{ "\"version\"", "\"VERSION\"", DCG_EFORMAT, "version is not a number" },
		{ "\\\"ngf\\\":1", "\\\"ngf\\\":2", DCG_EFORMAT, "G.main.0.weight: dimension 1 is 2, expected 4" },
		{ "\\\"ngf\\\":1", "\\\"ngf\\\":0", DCG_EFORMAT, "params: ngf: expected a whole number from 1 to 1024, found 0" },
		{ "\\\"ngf\\\":1", "\\\"nGf\\\":1", DCG_EFORMAT, "params: ngf is missing" },
		{ "\\\"ngf\\\":1", "\\\"ndf\\\":1", DCG_EFORMAT, "params: ngf is missing" },
		{ "\\\"size\\\":16", "\\\"size\\\":17", DCG_EFORMAT, "params: size" },
		{ "\\\"size\\\":16", "\\\"size\\\":32", DCG_EFORMAT, "" },
		{ "\\\"size\\\":16", "\\\"size\\\": 0", DCG_EFORMAT, "params" },
		{ "\\\"ema\\\":0.9", "\\\"ema\\\":0.0", DCG_EFORMAT, "arrays, expected" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\":\\\"-1\\\"", DCG_EFORMAT, "state: step: expected a text of a whole number" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\":\\\"1e\\\"", DCG_EFORMAT, "state: step" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\":\\\"01\\\"", DCG_EFORMAT, "state: step" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\": 1734 ", DCG_EFORMAT, "state: step" },
		{ "\\\"epoch_steps\\\":\\\"2\\\"", "\\\"epoch_stepz\\\":\\\"2\\\"", DCG_EFORMAT, "state: epoch_steps" },
		{ "\\\"z_seed\\\":\\\"18446744073709551615", "\\\"z_seed\\\":\\\"18446744073709551616", DCG_EFORMAT, "state: z_seed" },
		{ "\\\"count\\\":\\\"4294967295", "\\\"count\\\":\\\"4294967296", DCG_EFORMAT, "state: count" },
		{ "\\\"fingerprint\\\":\\\"00", "\\\"fingerprint\\\":\\\"0x", DCG_EFORMAT, "state: fingerprint" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\":\\\"02\\\"", DCG_EFORMAT, "state: step" },
		{ "\\\"step\\\":\\\"17\\\"", "\\\"step\\\":\\\"1\\\" ", DCG_EFORMAT, "1 steps cannot hold 3 epochs" },
		{ "\"G.main.0.weight\"", "\"G.main.0.weighT\"", DCG_EFORMAT, "G.main.0.weight is missing" },
		{ "\"D.main.0.weight.adam_v\"", "\"D.main.0.weight\"       ", DCG_EFORMAT, "D.main.0.weight is given twice" },
		{ "\"G.main.0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2,4,4]", "\"G.main.0.weight\":{\"dtype\":\"F32\",\"shape\":[2,1,4,4]", DCG_EFORMAT,
			"G.main.0.weight: dimension 0 is 2, expected 1" },
		{ "\"G.main.0.weight\":{\"dtype\":\"F32\",\"shape\":[1,2,4,4]", "\"G.main.0.weight\":{\"dtype\":\"F32\",\"shape\":[32     ]", DCG_EFORMAT,
			"G.main.0.weight has 1 dimensions, expected 4" },
	};
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_gan *gan = small_gan(&be);
	read_original();
	char *bytes = malloc(original_size);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		memcpy(bytes, original, original_size);
		swap(bytes, rows[i].from, rows[i].to);
		int r = try_bytes(bytes, original_size, gan, &err);
		ck_assert_msg(r == rows[i].code && strstr(err.text, rows[i].text), "%s -> %s: %d %s", rows[i].from, rows[i].to, r, err.text);
	}
	free(bytes);
	free(original);
	fixture_gan_free(gan, be);
}
END_TEST

static int find_row(const char *name, size_t *ret_offset)
{
	char key[96];
	snprintf(key, sizeof key, "\"%s\":", name);
	char *at = memmem(original + 8, header_end - 8, key, strlen(key));
	if (!at)
		return -1;
	at = strstr(at, "\"data_offsets\":[");
	*ret_offset = header_end + strtoul(at + strlen("\"data_offsets\":["), NULL, 10);
	return 0;
}

START_TEST(values_that_cannot_be_are_refused)
{
	static const struct {
		const char *name;
		float value;
		const char *text;
	} rows[] = {
		{ "G.main.0.weight", NAN, "G.main.0.weight[0] is nan" },
		{ "D.main.0.weight.adam_m", -INFINITY, "D.main.0.weight.adam_m[0] is -inf" },
		{ "G.main.0.weight.ema", INFINITY, "G.main.0.weight.ema[0] is inf" },
		{ "D.main.0.weight.adam_v", -1, "D.main.0.weight.adam_v[0] is -1, expected 0 or more" },
		{ "G.main.1.running_var", -0.5f, "G.main.1.running_var[0] is -0.5, expected 0 or more" },
	};
	struct dcg_error err;
	struct dcg_backend *be;
	struct dcg_gan *gan = small_gan(&be);
	size_t at;
	read_original();
	char *bytes = malloc(original_size);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		memcpy(bytes, original, original_size);
		ck_assert_int_eq(find_row(rows[i].name, &at), 0);
		memcpy(bytes + at, &rows[i].value, sizeof rows[i].value);
		ck_assert_int_eq(try_bytes(bytes, original_size, gan, &err), DCG_EFORMAT);
		ck_assert_msg(strstr(err.text, rows[i].text) != NULL, "%s", err.text);
	}
	static const int64_t counts[] = { -1, 999 };
	for (size_t i = 0; i < 2; i++) {
		memcpy(bytes, original, original_size);
		ck_assert_int_eq(find_row("G.main.4.num_batches_tracked", &at), 0);
		memcpy(bytes + at, &counts[i], sizeof counts[i]);
		ck_assert_int_eq(try_bytes(bytes, original_size, gan, &err), DCG_EFORMAT);
		ck_assert_msg(strstr(err.text, "G.main.4.num_batches_tracked is ") != NULL, "%s", err.text);
	}
	free(bytes);
	free(original);
	fixture_gan_free(gan, be);
}
END_TEST

START_TEST(the_layout_is_that_of_the_networks)
{
	static const int sizes[] = { 16, 28, 32, 64 };
	int seen = 0;
	for (int arch = 0; arch < 3; arch++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct dcg_train_params p = fixture_params();
			p.arch = arch;
			p.size = sizes[i];
			struct dcg_gan_config cfg = dcg_train_params_gan(&p);
			struct dcg_layers g, d;
			struct dcg_layout l;
			struct dcg_error err;
			struct dcg_backend *be;
			if (dcg_arch_generator(&cfg.arch, &g, &err) || dcg_arch_discriminator(&cfg.arch, &d, &err))
				continue;
			seen++;
			struct dcg_gan *gan = fixture_gan(&p, &be);
			ck_assert_int_eq(dcg_layout_new(&l, &g, &d, 1, &err), 0);
			ck_assert_msg(!dcg_layout_check(&l, 0, dcg_gan_g(gan), &err), "%s", err.text);
			ck_assert_msg(!dcg_layout_check(&l, 1, dcg_gan_d(gan), &err), "%s", err.text);
			ck_assert_int_eq(dcg_layout_check(&l, 0, dcg_gan_d(gan), &err), DCG_EFORMAT);
			dcg_layout_done(&l);
			fixture_gan_free(gan, be);
		}
	ck_assert_int_ge(seen, 8);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *c = tcase_create("checkpoint");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, everything_comes_back, 0, 3);
	tcase_add_test(c, the_average_is_what_g_is_restored_with);
	tcase_add_test(c, other_networks_are_refused_by_name);
	tcase_add_test(c, weights_that_are_not_finite_are_never_written);
	tcase_add_test(c, every_truncation_is_noticed);
	tcase_add_test(c, damaged_files_do_no_harm);
	tcase_add_test(c, each_fault_is_named);
	tcase_add_test(c, values_that_cannot_be_are_refused);
	tcase_add_test(c, the_layout_is_that_of_the_networks);
	suite_add_tcase(s, c);
	return tap_run(s);
}
