// What can be done to a job, as buttons, and the questions asked before it is done.

import { h, replace, toast, announce, busy } from './dom.js';
import { jobTitle } from './format.js';
import { act, deleteJob, pinJob, ACTIVE, FINAL } from './state.js';

const DONE = {
	pause: 'will pause', resume: 'goes on', cancel: 'is being cancelled',
	sample: 'draws a sample', checkpoint: 'writes a checkpoint',
};

/** Asks in a modal dialog; resolves to whether the answer was yes. Cancel has the focus. */
export function confirm({ title, text, yes, no = 'Keep it' }) {
	return new Promise((resolve) => {
		const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' },
			h('form', { method: 'dialog' },
				h('h2', { id: 'dialog-title' }, title),
				h('p', {}, text),
				h('div', { class: 'row end' },
					h('button', { value: 'no', autofocus: true }, no),
					h('button', { value: 'yes', class: 'danger' }, yes))));
		dialog.addEventListener('close', () => {
			resolve(dialog.returnValue === 'yes');
			dialog.remove();
		});
		document.body.append(dialog);
		dialog.showModal();
	});
}

async function run(job, action, button) {
	busy(button, true);
	try {
		await act(job, action);
		announce(`${jobTitle(job)} ${DONE[action]}`);
	} catch (error) {
		toast(error.message, 'error');
	} finally {
		busy(button, false);
	}
}

async function cancel(job, button) {
	const yes = await confirm({
		title: `Cancel ${jobTitle(job)}?`,
		text: 'It stops for good and cannot be resumed. Its samples and checkpoints stay. To go on later, pause it instead.',
		yes: 'Cancel the job', no: 'Let it be',
	});
	if (yes)
		await run(job, 'cancel', button);
}

async function pin(job, button) {
	busy(button, true);
	try {
		await pinJob(job, !job.pinned);
		announce(`${jobTitle(job)} is ${job.pinned ? 'pinned and cannot be deleted' : 'no longer pinned'}`);
	} catch (error) {
		toast(error.message, 'error');
	} finally {
		busy(button, false);
	}
}

export async function askDelete(job) {
	const yes = await confirm({
		title: `Delete ${jobTitle(job)}?`,
		text: 'Its curves, samples and checkpoints are removed from the disk. This cannot be undone.',
		yes: 'Delete the job',
	});
	if (!yes)
		return;
	try {
		await deleteJob(job.id);
		toast(`${jobTitle(job)} was deleted`);
	} catch (error) {
		toast(error.message, 'error');
	}
}

/** The rows: action, label, states in which it is offered, what a click does, the scope it needs. */
const ROWS = [
	{ name: 'pause', label: 'Pause', when: (job) => ACTIVE.has(job.state), brief: true },
	{ name: 'resume', label: 'Resume', when: (job) => job.state === 'paused', brief: true, primary: true },
	{ name: 'sample', label: 'Sample now', when: (job) => job.state === 'running' },
	{ name: 'checkpoint', label: 'Checkpoint now', when: (job) => job.state === 'running' },
	{ name: 'cancel', label: 'Cancel', when: (job) => !FINAL.has(job.state), click: cancel },
	{ name: 'pin', label: 'Pin', when: (job) => !ACTIVE.has(job.state) && !job.pinned, click: pin },
	{ name: 'unpin', label: 'Unpin', when: (job) => !ACTIVE.has(job.state) && job.pinned, click: pin },
	{ name: 'delete', label: 'Delete', when: (job) => !ACTIVE.has(job.state) && !job.pinned, click: askDelete, danger: true, needs: 'admin' },
];

/** brief: only those for a list. The buttons of a state stay the same nodes, so that the
 * focus is not lost while progress comes in. */
export function actionBar({ brief = false } = {}) {
	const node = h('div', { class: 'actions' });
	let shown = '';
	return {
		node,
		update(job) {
			const rows = ROWS.filter((row) => (!brief || row.brief) && row.when(job));
			const key = rows.map((row) => row.name).join() + (job.asked ? '!' : '');
			if (key === shown)
				return;
			const focused = node.contains(document.activeElement);
			shown = key;
			replace(node, rows.map((row) => {
				const button = h('button', {
					type: 'button', 'data-action': row.name, 'data-needs': row.needs ?? 'write', 'aria-disabled': job.asked !== null && !['delete', 'pin', 'unpin'].includes(row.name) ? 'true' : null,
					class: row.danger ? 'danger quiet' : row.primary ? 'primary' : null,
					'aria-label': brief ? `${row.label} ${jobTitle(job)}` : null,
				}, row.label);
				button.addEventListener('click', () => (row.click ?? ((j, b) => run(j, row.name, b)))(job, button));
				return button;
			}));
			if (focused)
				[...node.children].find((button) => button.checkVisibility())?.focus();
		},
	};
}
