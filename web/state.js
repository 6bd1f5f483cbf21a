// What the page knows of the jobs, kept up to date by events.
//
// changes: an EventTarget. CustomEvent "job" (detail: the job) after any change of one,
// "gone" (detail: its id), "reset" when everything has to be loaded anew.

import * as api from './api.js';
import { bus } from './events.js';

export const changes = new EventTarget();
export const jobs = new Map();

export const FINAL = new Set(['succeeded', 'failed', 'cancelled']);
export const ACTIVE = new Set(['preparing', 'running']);

function emit(type, detail) {
	changes.dispatchEvent(new CustomEvent(type, { detail }));
}

/** Takes a job as the API gave it; fields of our own (preparing, asked) survive. */
export function put(job) {
	const known = jobs.get(job.id);
	if (known && known.version > job.version)
		return known;
	const merged = Object.assign(known ?? { preparing: null, asked: null }, job);
	settleAsked(merged);
	jobs.set(job.id, merged);
	emit('job', merged);
	return merged;
}

/** Drops what was asked of a job once its state shows that it happened. */
function settleAsked(job) {
	if (job.asked && (job.state !== job.asked.from || FINAL.has(job.state)))
		job.asked = null;
	if (job.state !== 'preparing')
		job.preparing = null;
}

export async function loadJob(id, options) {
	return put(await api.get(`/jobs/${id}`, options));
}

export async function loadJobs({ state = '', cursor = null } = {}) {
	const query = new URLSearchParams({ limit: '50' });
	if (state)
		query.set('state', state);
	if (cursor !== null)
		query.set('cursor', cursor);
	const page = await api.get(`/jobs?${query}`);
	return { jobs: page.jobs.map(put), next: page.next ?? null };
}

/** Pause, resume, cancel, sample, checkpoint. */
export async function act(job, action) {
	const from = job.state;
	const answer = await api.post(`/jobs/${job.id}/${action}`);
	if (action === 'pause' || action === 'cancel')
		job.asked = { action, from };
	put(answer);
	return answer;
}

/** A pinned job cannot be deleted. */
export async function pinJob(job, pinned) {
	put(await api.patch(`/jobs/${job.id}`, { pinned }));
}

export async function deleteJob(id) {
	await api.remove(`/jobs/${id}`);
	forget(id);
}

function forget(id) {
	if (jobs.delete(id))
		emit('gone', id);
}

// One request at a time for a job's record, and one more if it changed meanwhile.
const fetching = new Map();
async function refresh(id) {
	if (fetching.has(id)) {
		fetching.set(id, true);
		return;
	}
	fetching.set(id, false);
	try {
		await loadJob(id);
	} catch (error) {
		if (error.status === 404)
			forget(id);
	}
	const again = fetching.get(id);
	fetching.delete(id);
	if (again)
		refresh(id);
}

bus.addEventListener('state', ({ detail }) => {
	if (detail.state === 'deleted') {
		forget(detail.job);
		return;
	}
	const job = jobs.get(detail.job);
	if (job) {
		job.state = detail.state;
		job.error = detail.error;
		if (detail.state !== 'running')
			job.images_per_s = job.eta_s = null;
		settleAsked(job);
		emit('job', job);
	}
	refresh(detail.job); // times and the version
});

bus.addEventListener('job', ({ detail }) => jobs.has(detail.job) && refresh(detail.job));

bus.addEventListener('progress', ({ detail }) => {
	const job = jobs.get(detail.job);
	if (!job)
		return;
	if (detail.stage === 'preparing') {
		job.preparing = { done: detail.done, count: detail.count };
	} else {
		const { job: id, at, stage, ...rest } = detail;
		Object.assign(job, rest);
		job.preparing = null;
	}
	emit('job', job);
});

// What is known may be of another time, or of another state folder: versions do not compare.
bus.addEventListener('reset', () => {
	jobs.clear();
	emit('reset');
});
