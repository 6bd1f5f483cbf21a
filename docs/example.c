/* Training with libdcgan alone: pictures in, pictures and checkpoints out.
 *
 *     cc example.c $(pkg-config --cflags --libs libdcgan) -o example
 *     ./example PICTURES FOLDER [STEPS]
 *
 * PICTURES is a folder of JPEG, PNG or WebP files, or of IDX or CIFAR files; FOLDER must exist. */
#include <dcgan.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct dcg_source *source = NULL;
	struct dcg_dataset *dataset = NULL;
	struct dcg_trainer *trainer = NULL;
	struct dcg_train_params p;
	struct dcg_event e = { 0 };
	struct dcg_error err = { 0 };
	char cache[4096];

	if (argc < 3)
		return fprintf(stderr, "usage: %s PICTURES FOLDER [STEPS]\n", argv[0]), 2;
	snprintf(cache, sizeof cache, "%s/pictures.data", argv[2]);

	if (dcg_train_params_init(&p, "pytorch", &err) || dcg_source_open(&source, argv[1], DCG_SOURCE_AUTO, &err))
		goto done;
	p.ngf = p.ndf = 16;
	p.max_steps = argc > 3 ? atoll(argv[3]) : 1000;
	dcg_train_params_resolve(&p, dcg_source_info(source));

	struct dcg_prepare how = { .size = p.size, .channels = p.channels };
	struct dcg_trainer_config cfg = { .params = &p, .sample_folder = argv[2], .checkpoint_folder = argv[2] };
	if (dcg_train_params_check(&p, NULL, &err) || dcg_dataset_load(&dataset, cache, source, &how, &err))
		goto done;
	cfg.dataset = dataset;
	if (dcg_trainer_new(&trainer, &cfg, &err) || dcg_trainer_start(trainer, &err))
		goto done;
	while (dcg_trainer_next(trainer, &e, -1) == 0) {
		if (e.type == DCG_EVENT_METRIC)
			printf("step %lld: loss_d %.4f loss_g %.4f\n", (long long)e.step, (double)e.u.metric.losses.loss_d,
				(double)e.u.metric.losses.loss_g);
		else if (e.type == DCG_EVENT_SAMPLE || e.type == DCG_EVENT_CHECKPOINT)
			printf("wrote %s/%s\n", argv[2], e.u.file.name);
		else if (e.type == DCG_EVENT_END)
			err = e.u.end.error;
	}
done:
	if (err.code)
		fprintf(stderr, "%s: %s\n", dcg_errname(err.code), err.text);
	dcg_trainer_free(trainer);
	dcg_dataset_close(dataset);
	dcg_source_close(source);
	return err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
