/* The architectures against the figures of the paper and of pytorch/examples. */
#include <string.h>

#include "nn/arch.h"
#include "nn/net.h"
#include "tests/tap.h"

static struct dcg_arch_config config(enum dcg_arch arch, int size, int nf)
{
	return (struct dcg_arch_config){ .arch = arch, .size = size, .channels = 3, .ngf = nf, .ndf = nf, .z_dim = 100 };
}

/* G's activations as channels@side, from z on. */
static void expect_g(const struct dcg_arch_config *cfg, const int (*want)[2], int count)
{
	struct dcg_layers l;
	ck_assert_int_eq(dcg_arch_generator(cfg, &l, NULL), 0);
	ck_assert_int_eq(l.count, count);
	int channels = cfg->z_dim, side = 1;
	for (int i = 0; i < count; i++) {
		const struct dcg_conv_geometry *g = &l.layer[i].conv;
		ck_assert(l.layer[i].transposed);
		ck_assert_int_eq(g->k, channels);
		ck_assert_int_eq(g->p, side);
		ck_assert_int_eq(g->q, side);
		channels = want[i][0], side = want[i][1];
		ck_assert_int_eq(g->c, channels);
		ck_assert_int_eq(g->h, side);
		ck_assert_int_eq(l.layer[i].batch_norm, i + 1 < count);
		ck_assert_int_eq(l.layer[i].act, i + 1 < count ? DCG_RELU : DCG_TANH);
	}
}

static void expect_d(const struct dcg_arch_config *cfg, const int (*want)[2], int count)
{
	struct dcg_layers l;
	ck_assert_int_eq(dcg_arch_discriminator(cfg, &l, NULL), 0);
	ck_assert_int_eq(l.count, count);
	int channels = cfg->channels, side = cfg->size;
	for (int i = 0; i < count; i++) {
		const struct dcg_conv_geometry *g = &l.layer[i].conv;
		ck_assert(!l.layer[i].transposed);
		ck_assert_int_eq(g->c, channels);
		ck_assert_int_eq(g->h, side);
		channels = want[i][0], side = want[i][1];
		ck_assert_int_eq(g->k, channels);
		ck_assert_int_eq(g->p, side);
		ck_assert_int_eq(l.layer[i].batch_norm, i > 0 && i + 1 < count);
		ck_assert_int_eq(l.layer[i].act, i + 1 < count ? DCG_LEAKY_RELU : DCG_LINEAR);
	}
}

START_TEST(paper_64)
{
	struct dcg_arch_config c = config(DCG_ARCH_PAPER, 64, 128);
	expect_g(&c, (const int[][2]){ { 1024, 4 }, { 512, 8 }, { 256, 16 }, { 128, 32 }, { 3, 64 } }, 5);
	expect_d(&c, (const int[][2]){ { 128, 32 }, { 256, 16 }, { 512, 8 }, { 1024, 4 }, { 1, 1 } }, 5);
	struct dcg_layers l;
	dcg_arch_discriminator(&c, &l, NULL);
	ck_assert(l.layer[1].conv.r == 5 && l.layer[1].conv.stride == 2 && l.layer[1].conv.pad == 2);
}
END_TEST

START_TEST(paper_imagenet_32)
{
	struct dcg_arch_config c = config(DCG_ARCH_PAPER_IMAGENET, 32, 128);
	expect_d(&c, (const int[][2]){ { 128, 32 }, { 128, 16 }, { 256, 16 }, { 256, 8 }, { 512, 8 }, { 512, 4 }, { 1, 1 } }, 7);
	expect_g(&c, (const int[][2]){ { 512, 4 }, { 512, 8 }, { 256, 8 }, { 256, 16 }, { 128, 16 }, { 128, 32 }, { 3, 32 } }, 7);
}
END_TEST

START_TEST(other_sizes)
{
	struct dcg_arch_config c = config(DCG_ARCH_PYTORCH, 28, 64);
	expect_g(&c, (const int[][2]){ { 128, 7 }, { 64, 14 }, { 3, 28 } }, 3);
	expect_d(&c, (const int[][2]){ { 64, 14 }, { 128, 7 }, { 1, 1 } }, 3);
	c = config(DCG_ARCH_PAPER, 256, 16);
	expect_g(&c, (const int[][2]){ { 512, 4 }, { 256, 8 }, { 128, 16 }, { 64, 32 }, { 32, 64 }, { 16, 128 }, { 3, 256 } }, 7);
	c = config(DCG_ARCH_PYTORCH, 16, 64);
	expect_d(&c, (const int[][2]){ { 64, 8 }, { 128, 4 }, { 1, 1 } }, 3);
	struct dcg_layers l;
	for (int a = 0; a < 3; a++)
		for (const int *s = (const int[]){ 16, 28, 32, 64, 128, 256, 0 }; *s; s++) {
			c = config((enum dcg_arch)a, *s, 8);
			ck_assert_int_eq(dcg_arch_generator(&c, &l, NULL), 0);
			ck_assert_int_eq(dcg_arch_discriminator(&c, &l, NULL), 0);
		}
}
END_TEST

START_TEST(refusals)
{
	struct dcg_layers l;
	struct dcg_error err;
	for (const int *s = (const int[]){ -1, 0, 1, 4, 7, 8, 14, 30, 56, 100, 512, 1 << 30, 0x7fffffff }; *s != 0x7fffffff; s++) {
		struct dcg_arch_config c = config(DCG_ARCH_PYTORCH, *s, 8);
		ck_assert_int_eq(dcg_arch_generator(&c, &l, &err), DCG_EINVAL);
		ck_assert(strstr(err.text, "size"));
	}
	struct dcg_arch_config c = config(DCG_ARCH_PYTORCH, 64, 8);
	c.channels = 2;
	ck_assert_int_eq(dcg_arch_discriminator(&c, &l, &err), DCG_EINVAL);
	c = config((enum dcg_arch)9, 64, 8);
	ck_assert_int_eq(dcg_arch_generator(&c, &l, &err), DCG_EINVAL);
	c = config(DCG_ARCH_PAPER, 64, 1 << 30);
	ck_assert_int_eq(dcg_arch_generator(&c, &l, &err), DCG_EINVAL);
	ck_assert_int_eq(dcg_arch_from_name("paper-imagenet"), DCG_ARCH_PAPER_IMAGENET);
	ck_assert_int_eq(dcg_arch_from_name("vgg"), DCG_EINVAL);
	ck_assert_str_eq(dcg_arch_name(DCG_ARCH_PYTORCH), "pytorch");
}
END_TEST

/* pytorch/examples' dcgan: names, shapes and numbers of parameters of its state_dict. */
START_TEST(pytorch_state_dict)
{
	static const struct {
		const char *name;
		int dim[4];
	} want_g[] = {
		{ "main.0.weight", { 100, 512, 4, 4 } }, { "main.1.weight", { 512 } }, { "main.1.bias", { 512 } },
		{ "main.1.running_mean", { 512 } }, { "main.1.running_var", { 512 } },
		{ "main.3.weight", { 512, 256, 4, 4 } }, { "main.4.weight", { 256 } }, { "main.4.bias", { 256 } },
		{ "main.4.running_mean", { 256 } }, { "main.4.running_var", { 256 } },
		{ "main.6.weight", { 256, 128, 4, 4 } }, { "main.7.weight", { 128 } }, { "main.7.bias", { 128 } },
		{ "main.7.running_mean", { 128 } }, { "main.7.running_var", { 128 } },
		{ "main.9.weight", { 128, 64, 4, 4 } }, { "main.10.weight", { 64 } }, { "main.10.bias", { 64 } },
		{ "main.10.running_mean", { 64 } }, { "main.10.running_var", { 64 } },
		{ "main.12.weight", { 64, 3, 4, 4 } },
	}, want_d[] = {
		{ "main.0.weight", { 64, 3, 4, 4 } },
		{ "main.2.weight", { 128, 64, 4, 4 } }, { "main.3.weight", { 128 } }, { "main.3.bias", { 128 } },
		{ "main.3.running_mean", { 128 } }, { "main.3.running_var", { 128 } },
		{ "main.5.weight", { 256, 128, 4, 4 } }, { "main.6.weight", { 256 } }, { "main.6.bias", { 256 } },
		{ "main.6.running_mean", { 256 } }, { "main.6.running_var", { 256 } },
		{ "main.8.weight", { 512, 256, 4, 4 } }, { "main.9.weight", { 512 } }, { "main.9.bias", { 512 } },
		{ "main.9.running_mean", { 512 } }, { "main.9.running_var", { 512 } },
		{ "main.11.weight", { 1, 512, 4, 4 } },
	};
	struct dcg_arch_config c = config(DCG_ARCH_PYTORCH, 64, 64);
	struct dcg_backend *be;
	ck_assert_int_eq(dcg_backend_open(&be, "ref", "fp32", 1, NULL), 0);
	for (int which = 0; which < 2; which++) {
		struct dcg_layers l;
		struct dcg_net *net;
		ck_assert_int_eq(which ? dcg_arch_discriminator(&c, &l, NULL) : dcg_arch_generator(&c, &l, NULL), 0);
		ck_assert_int_eq(dcg_net_new(&net, be, &l, 2, DCG_NET_SAMPLE, NULL, NULL), 0);
		ck_assert_int_eq(dcg_net_array_count(net), (int)(which ? sizeof want_d / sizeof *want_d : sizeof want_g / sizeof *want_g));
		for (int i = 0; i < dcg_net_array_count(net); i++) {
			const struct dcg_net_array *a = dcg_net_array(net, i);
			ck_assert_str_eq(a->name, which ? want_d[i].name : want_g[i].name);
			for (int k = 0; k < a->dims; k++)
				ck_assert_int_eq(a->dim[k], which ? want_d[i].dim[k] : want_g[i].dim[k]);
		}
		ck_assert_uint_eq(dcg_net_parameter_count(net), which ? 2765568 : 3576704);
		dcg_net_free(net);
	}
	dcg_backend_close(be);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arch");
	TCase *c = tcase_create("arch");
	tcase_set_timeout(c, 60);
	tcase_add_test(c, paper_64);
	tcase_add_test(c, paper_imagenet_32);
	tcase_add_test(c, other_sizes);
	tcase_add_test(c, refusals);
	tcase_add_test(c, pytorch_state_dict);
	suite_add_tcase(s, c);
	return tap_run(s);
}
