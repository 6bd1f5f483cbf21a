// How the parameters of a job are grouped and called on the page. The schema says what
// there is: a parameter that no group names still appears, under "Other".

export const COMMON = ['dataset', 'preset', 'name', 'epochs', 'size', 'batch_size'];

export const GROUPS = [
	['Networks', ['arch', 'channels', 'ngf', 'ndf', 'z_dim', 'z_dist']],
	['Training', ['max_steps', 'schedule', 'd_steps', 'g_steps', 'label_smoothing', 'flip', 'seed', 'from_checkpoint']],
	['Optimiser', ['lr_g', 'lr_d', 'beta1', 'beta2', 'weight_decay']],
	['Samples', ['sample_every', 'sample_count', 'sample_bn', 'ema']],
	['Checkpoints', ['checkpoint_every', 'checkpoint_minutes', 'keep_last', 'keep_every', 'swd_images']],
	['Machine', ['priority', 'threads', 'precision', 'kernel', 'on_error']],
];

const LABELS = {
	dataset: 'Data set', preset: 'Preset', name: 'Name', epochs: 'Epochs', size: 'Picture size', batch_size: 'Batch size',
	arch: 'Architecture', channels: 'Channels', ngf: 'Width of G (ngf)', ndf: 'Width of D (ndf)', z_dim: 'Length of z', z_dist: 'Distribution of z',
	max_steps: 'Most steps', schedule: 'Schedule', d_steps: 'D updates a step', g_steps: 'G updates a step',
	label_smoothing: 'Label smoothing', flip: 'Mirror pictures', seed: 'Seed', from_checkpoint: 'Start from checkpoint',
	lr_g: 'Learning rate of G', lr_d: 'Learning rate of D', beta1: 'Adam beta 1', beta2: 'Adam beta 2', weight_decay: 'Weight decay',
	sample_every: 'Epochs between samples', sample_count: 'Pictures in a sample', sample_bn: 'Batch norm when sampling', ema: 'Average of G (ema)',
	checkpoint_every: 'Epochs between checkpoints', checkpoint_minutes: 'Minutes between checkpoints', keep_last: 'Newest kept', keep_every: 'Also keep every', swd_images: 'Pictures scored',
	priority: 'Priority', threads: 'Threads', precision: 'Precision', kernel: 'Kernel', on_error: 'Unreadable pictures',
};

/** What 0 means where it is not a number like the others. */
const ZERO = { size: 'as the data set', channels: 'as the data set' };

/** As they are by now: a job's .params are what was submitted. */
export const paramsOf = (job) => ({ ...job.params, name: job.name, priority: job.priority });

export function label(name) {
	return LABELS[name] ?? name.replaceAll('_', ' ').replace(/^./, (c) => c.toUpperCase());
}

export function optionLabel(name, v) {
	return v === 0 && ZERO[name] ? ZERO[name] : name === 'size' ? `${v}×${v}` : String(v);
}

/** [title, names] of all groups that the given names fill, "Other" last. */
export function grouped(names, groups = GROUPS) {
	const left = new Set(names);
	const result = [];
	for (const [title, members] of groups) {
		const here = members.filter((name) => left.delete(name));
		if (here.length > 0)
			result.push([title, here]);
	}
	return left.size > 0 ? [...result, ['Other', [...left]]] : result;
}
