/* Training with libdcgan alone: cc example.c $(pkg-config --cflags --libs libdcgan) -o example
 * ./example PICTURES FOLDER STEPS; pictures and a checkpoint appear in FOLDER, which must exist. */
#include <dcgan.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct dcg_train_params p;
	struct dcg_source *source = NULL;
	struct dcg_dataset *dataset = NULL;
	struct dcg_trainer *trainer = NULL;
	struct dcg_error err = { 0 };
	struct dcg_event e;
	char cache[4096];
	if (argc != 4 || dcg_train_params_init(&p, "pytorch", &err) || dcg_source_open(&source, argv[1], DCG_SOURCE_AUTO, &err))
		goto done;
	p.ngf = p.ndf = 16;
	p.max_steps = atoll(argv[3]);
	dcg_train_params_resolve(&p, dcg_source_info(source)); /* size and channels, from the pictures */

	struct dcg_prepare how = { .size = p.size, .channels = p.channels };
	snprintf(cache, sizeof cache, "%s/pictures.data", argv[2]);
	if (dcg_train_params_check(&p, NULL, &err) || dcg_dataset_load(&dataset, cache, source, &how, &err))
		goto done;
	struct dcg_trainer_config cfg = { .params = &p, .dataset = dataset, .sample_folder = argv[2], .checkpoint_folder = argv[2] };
	if (dcg_trainer_new(&trainer, &cfg, &err) || dcg_trainer_start(trainer, &err))
		goto done;
	while (dcg_trainer_next(trainer, &e, -1) == 0) {
		if (e.type == DCG_EVENT_METRIC)
			printf("step %lld: loss_d %.4f loss_g %.4f\n", (long long)e.step, e.u.metric.losses.loss_d, e.u.metric.losses.loss_g);
		if (e.type == DCG_EVENT_SAMPLE || e.type == DCG_EVENT_CHECKPOINT)
			printf("wrote %s/%s\n", argv[2], e.u.file.name);
		if (e.type == DCG_EVENT_END)
			err = e.u.end.error;
	}
done:
	if (!trainer || err.code)
		fprintf(stderr, "%s\n", err.code ? err.text : "expected PICTURES FOLDER STEPS");
	dcg_trainer_free(trainer);
	dcg_dataset_close(dataset);
	dcg_source_close(source);
	return !trainer || err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
