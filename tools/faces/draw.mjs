// Faces for tools/make-faces: draws COUNT pictures of SIZE pixels and attributes.csv into FOLDER.
//
//     node draw.mjs FOLDER COUNT SIZE SEED
//
// Face number i is decided by SEED and i alone, so that a set can be continued and a larger set
// begins with a smaller one. Every attribute is chosen here and none left to the library.
// A picture that is there, whole, is not drawn again.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { createAvatar } from '@dicebear/core';
import * as avataaars from '@dicebear/avataaars';
import { Resvg } from '@resvg/resvg-js';

const LONG = ['bigHair', 'bob', 'curly', 'curvy', 'longButNotTooLong', 'miaWallace', 'straight01', 'straight02', 'straightAndStrand'];
const SHORT = ['dreads01', 'frizzle', 'shaggy', 'shortCurly', 'shortFlat', 'shortRound', 'shortWaved', 'sides', 'theCaesar',
	'theCaesarAndSidePart'];
const HAIR = ['2c1b18', '4a312c', '724133', 'a55728', 'b58143', 'c93305', 'd6b370', 'e8e1e1'];
const SKIN = ['614335', 'ae5d29', 'd08b5b', 'edb98a', 'ffdbb4'];
const EYES = ['closed', 'happy', 'side', 'squint', 'surprised'];
const GLASSES = ['prescription02', 'round', 'sunglasses', 'wayfarers'];
const BEARD = ['beardLight', 'beardMajestic', 'beardMedium', 'moustacheFancy', 'moustacheMagnum'];
const CLOTHES = ['blazerAndShirt', 'blazerAndSweater', 'collarAndSweater', 'hoodie', 'overall', 'shirtCrewNeck', 'shirtScoopNeck',
	'shirtVNeck'];
const CLOTHES_COLOR = ['25557c', '262e33', '5199e4', '65c9ff', '929598', 'a7ffc4', 'e6e6e6', 'ff488e', 'ff5c5c', 'ffafb9', 'ffffb1'];
const BACKGROUND = ['a9d3e8', 'b6e3f4', 'c0aede', 'cfe8cf', 'ffd5dc', 'ffdfbf'];
const COLUMNS = ['woman', 'smile', 'glasses', 'beard', 'hair', 'hair_color', 'skin', 'mouth', 'eyes', 'glasses_kind', 'beard_kind',
	'clothes', 'clothes_color', 'background'];

/** Numbers in [0, 1) from two whole numbers: a counter through two rounds of a 32-bit mixing function. */
function random(seed, index) {
	const mix = (x) => {
		x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
		x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
		return (x ^ (x >>> 16)) >>> 0;
	};
	const key = mix(mix(seed % 0x100000000) + mix(Math.floor(seed / 0x100000000) + 1));
	let counter = 0;
	return () => mix(mix(key + Math.imul(index, 0x9e3779b1)) + Math.imul(++counter, 0x85ebca77)) / 0x100000000;
}

function attributes(seed, index) {
	const next = random(seed, index);
	const one = (list) => list[Math.floor(next() * list.length)];
	const chance = (p) => Number(next() < p);
	const a = { woman: chance(0.5), smile: chance(0.5), glasses: chance(0.25) };
	a.beard = a.woman ? 0 : chance(0.4);
	a.hair = one(a.woman ? LONG : SHORT);
	a.hair_color = one(HAIR);
	a.skin = one(SKIN);
	a.mouth = a.smile ? 'smile' : 'serious';
	a.eyes = chance(0.6) ? 'default' : one(EYES);
	a.glasses_kind = a.glasses ? one(GLASSES) : 'none';
	a.beard_kind = a.beard ? one(BEARD) : 'none';
	a.clothes = one(CLOTHES);
	a.clothes_color = one(CLOTHES_COLOR);
	a.background = one(BACKGROUND);
	return a;
}

function draw(a, size) {
	const svg = createAvatar(avataaars, {
		seed: '', style: ['default'], base: ['default'], nose: ['default'], eyebrows: ['default'],
		top: [a.hair], topProbability: 100, hairColor: [a.hair_color], skinColor: [a.skin], mouth: [a.mouth], eyes: [a.eyes],
		accessories: a.glasses ? [a.glasses_kind] : [], accessoriesProbability: a.glasses ? 100 : 0, accessoriesColor: ['262e33'],
		facialHair: a.beard ? [a.beard_kind] : [], facialHairProbability: a.beard ? 100 : 0, facialHairColor: [a.hair_color],
		clothing: [a.clothes], clothesColor: [a.clothes_color],
		backgroundColor: ['transparent'], // painted below: some colours come out transparent otherwise
	}).toString();
	return new Resvg(svg, { background: '#' + a.background, fitTo: { mode: 'width', value: size }, font: { loadSystemFonts: false } })
		.render().asPng();
}

const name = (i) => String(i).padStart(6, '0') + '.png';

/** A picture cut short by a crash is drawn again. */
function whole(path) {
	try {
		const data = readFileSync(path);
		return data.length > 20 && data.readUInt32BE(0) === 0x89504e47 && data.subarray(-8, -4).toString('latin1') === 'IEND';
	} catch {
		return false;
	}
}

/** Under its name only when it is complete. */
function write(path, data) {
	writeFileSync(path + '.new', data);
	renameSync(path + '.new', path);
}

function work({ folder, count, size, seed, first, step }) {
	for (let i = first, done = 0; i < count; i += step) {
		const path = join(folder, name(i));
		if (!whole(path))
			write(path, draw(attributes(seed, i), size));
		if (++done % 50 === 0 || i + step >= count)
			parentPort.postMessage(done);
	}
}

function main([folder, ...numbers]) {
	const [count, size, seed] = numbers.map(Number);
	const threads = Math.min(availableParallelism?.() ?? cpus().length, 16, count);
	const done = new Array(threads).fill(0);
	let told = 0, running = threads;
	for (let first = 0; first < threads; first++) {
		const worker = new Worker(new URL(import.meta.url), { workerData: { folder, count, size, seed, first, step: threads } });
		worker.on('message', (n) => {
			done[first] = n;
			const sum = done.reduce((a, b) => a + b, 0);
			if (sum - told >= count / 10 || sum === count)
				console.log(`${told = sum} of ${count} faces`);
		});
		worker.on('error', (error) => {
			console.error(`face of worker ${first}: ${error.stack ?? error}`);
			process.exit(1);
		});
		worker.on('exit', () => {
			if (--running > 0)
				return;
			const rows = Array.from({ length: count }, (_, i) => attributes(seed, i));
			write(join(folder, 'attributes.csv'), ['file,' + COLUMNS.join(','),
				...rows.map((a, i) => [name(i), ...COLUMNS.map((c) => a[c])].join(','))].join('\n') + '\n');
		});
	}
}

if (isMainThread)
	main(process.argv.slice(2));
else
	work(workerData);
