// Draws the pairs of texts of a file with one library and prints the microseconds a badge took, round by round.
import { readFileSync } from 'node:fs'
import { makeBadge } from 'badge-maker'
import { badgen } from 'badgen'

const SECONDS = 10
const ROUNDS = 21

const RENDERERS = {
  badgen: (label, status) => badgen({ label, status }),
  'badge-maker': (label, message) => makeBadge({ label, message }),
}

const draw = RENDERERS[process.argv[2]]
const pairs = JSON.parse(readFileSync(process.argv[3], 'utf8'))
const rounds = []
const end = performance.now() + SECONDS * 1000
while (rounds.length < ROUNDS && (rounds.length < 3 || performance.now() < end)) {
  const start = performance.now()
  for (const [label, message] of pairs) Buffer.from(draw(label, message))
  rounds.push(((performance.now() - start) / pairs.length) * 1000)
}
console.log(JSON.stringify(rounds))
