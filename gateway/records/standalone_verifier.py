#!/usr/bin/env python3
"""Verify an exported record bundle with this one file: standard library and `cryptography`.
It shares no line with the program that wrote the bundle, so each checks the other. Trust comes from
what is given by hand alone. Read it downwards, with docs/auditing.md and docs/reference/bundle.md.
Exit codes: 0 proved, 1 not, 2 wrong usage."""
import argparse, base64, bisect, datetime, functools, hashlib, itertools, json, re, sys, zipfile
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
class Bad(Exception): """What is wrong, as a stable word."""
WRONG = Bad, InvalidSignature, LookupError, TypeError, ValueError, AttributeError, RecursionError
def need(holds, reason):
    if not holds: raise Bad(reason)
def reason_of(error, otherwise):
    if isinstance(error, InvalidSignature): return "bad-signature"
    return error.args[0] if isinstance(error, Bad) else otherwise
# ---- 1 Encodings: one way to write JSON and bytes; instants become POSIX milliseconds.
def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
def unb64(text, *, url=True):  # base64url, unpadded, else plain; spelled in one way
    raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_" if url else b"+/")
    again = base64.b64encode(raw, b"-_" if url else b"+/").decode()
    if (again.rstrip("=") if url else again) != text: raise ValueError("a second spelling")
    return raw
def hashes(raw):
    need(len(raw) % 32 == 0, "bad-bundle")
    return [raw[at : at + 32] for at in range(0, len(raw), 32)]
def moment(text):
    at = datetime.datetime.fromisoformat(text)
    need(at.isoformat(timespec="milliseconds") == text.removesuffix("Z") + "+00:00", "bad-entry")
    return round(at.timestamp() * 1000)
def frames(raw, index_bytes, length_bytes):  # yields (index, bytes), all after their length
    at, head = 0, index_bytes + length_bytes
    while at + head <= len(raw):
        index, start = int.from_bytes(raw[at : at + index_bytes], "big"), at + head
        at = start + int.from_bytes(raw[start - length_bytes : start], "big")
        if at <= len(raw): yield index, raw[start:at]
# ---- 2 The tree (RFC 6962 §2.1). `peaks` are its complete subtrees, largest first.
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()
def add_leaf(peaks, size, leaf):
    while size & 1: leaf, size = sha256(b"\1", peaks.pop(), leaf), size >> 1
    peaks.append(leaf)
def root_of(peaks):
    return functools.reduce(lambda low, top: sha256(b"\1", top, low), (peaks or [sha256()])[::-1])
def audited_root(size, index, leaf, path):  # §2.1.1; `path` from leaf to root is used up
    if size == 1: return leaf
    half, other = 1 << (size - 1).bit_length() - 1, path.pop()
    if index < half: return sha256(b"\1", audited_root(half, index, leaf, path), other)
    return sha256(b"\1", other, audited_root(size - half, index - half, leaf, path))
def both_roots(old, new, old_root, new_root, proof):  # §2.1.2; `proof` is used up
    if not old: return sha256(), new_root
    if old == new: return (old_root or proof.pop(),) * 2
    half, other = 1 << (new - 1).bit_length() - 1, proof.pop()
    if old <= half:
        before, after = both_roots(old, half, old_root, None, proof)
        return before, sha256(b"\1", after, other)
    before, after = both_roots(old - half, new - half, None, None, proof)
    return sha256(b"\1", other, before), sha256(b"\1", other, after)
# ---- 3 Checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).
NAME, BASE64 = "[!-*,-~]{1,255}", "[A-Za-z0-9+/]+={0,2}"
NOTE = re.compile(f"(({NAME})\n(0|[1-9][0-9]{{0,18}})\n({BASE64})\n)\n((?:— {NAME} {BASE64}\n)+)")
class Note:  # A checkpoint as written; `verify` says whether it was signed.
    def __init__(self, text):
        parts = NOTE.fullmatch(text)
        need(parts and len(text.encode()) <= 65_536, "bad-note")
        self.text, self.origin, self.root = parts[1].encode(), parts[2], unb64(parts[4], url=False)
        lines = [line.split(" ") for line in parts[5].split("\n")[:-1]]
        self.lines = [(name, unb64(blob, url=False)) for _, name, blob in lines]
        self.size, longer = int(parts[3]), all(len(raw) > 4 for _, raw in self.lines)
        need(self.size < 2**63 and len(self.root) == 32 and longer, "bad-note")
    def signature(self, name, kind, key=None):
        """Return the one signature of this name and key, else of this kind (64 or 2,428 bytes)."""
        key_id = sha256(name.encode(), b"\n", b"\6" if kind == 2428 else b"\1", key or b"")[:4]
        found = [raw[4:] for who, raw in self.lines
                 if who == name and (raw[:4] == key_id if key else len(raw) == kind + 4)]
        need(len(found) == 1, "log-line-twice" if found else "log-line-missing")
        need(len(found[0]) == kind, "bad-signature")
        return found[0]
    def cosigned(self, name, key_at):  # the second at which it signed, by its key of then
        second = int.from_bytes(self.signature(name, 2428)[:8], "big")
        line = self.signature(name, 2428, key := key_at(second))
        who, origin = (bytes([len(one)]) + one.encode() for one in (name, self.origin))
        said = who + line[:8] + origin + bytes(8) + self.size.to_bytes(8, "big") + self.root
        MLDSA44PublicKey.from_public_bytes(key).verify(line[8:], b"subtree/v1\n\0" + said)
        return second
    def verify(self, directory, name, slot, witnesses=()):  # its log's lines, all known witnesses'
        origin = f"{directory.network}/{name}/log/{slot}"
        second = int.from_bytes(self.signature(self.origin, 2428)[:8], "big")
        key, mldsa44, _ = directory.keys_at(name, second)
        need(self.origin == origin, "wrong-origin")
        Ed25519PublicKey.from_public_bytes(key).verify(self.signature(origin, 64, key), self.text)
        self.second = self.cosigned(origin, lambda _: mldsa44)
        present = {who for who, _ in self.lines}.intersection(witnesses)
        try: self.cosigned_at = {who: self.cosigned(who, witnesses[who]) for who in present}
        except WRONG: raise Bad("bad-cosignature") from None
        return self
# ---- 4 The directory: signed by a key that the root vouches for; key sets in chains of their own.
def digest(signed): return sha256(canonical(signed)).hex()
def signed_part(document, kind, *keys):  # signed by each key with both halves, by nobody else
    signed = document["signed"]
    message = b"sekisho/" + kind.encode() + b"/v1\0" + canonical(signed)
    given = {(one["key_id"], one["alg"]): unb64(one["sig"]) for one in document["signatures"]}
    for key in keys:
        raw = unb64(key["ed25519"]), unb64(key["mldsa44"])
        key_id = hashlib.sha256(b"sekisho/document-key/v1\0" + b"".join(raw)).hexdigest()
        Ed25519PublicKey.from_public_bytes(raw[0]).verify(given.pop((key_id, "Ed25519")), message)
        MLDSA44PublicKey.from_public_bytes(raw[1]).verify(given.pop((key_id, "ML-DSA-44")), message)
    need(signed["type"] == kind and not given, "bad-directory")
    return signed
class Directory:  # One version of the directory, verified down to the pinned root.
    def __init__(self, document, pinned):
        root, listed = pinned, [one["signed"] for one in document["signed"]["roots"]]
        need(pinned in listed, "root-not-pinned")  # what stands before it is history
        for value in document["signed"]["roots"][listed.index(pinned) + 1 :]:
            newer = signed_part(value, "root", value["signed"]["key"], root["key"])
            linked = (newer["previous"], newer["version"]) == (digest(root), root["version"] + 1)
            need(linked and newer["key"] != root["key"], "bad-directory")
            root = newer
        key = signed_part(document["signed"]["directory_key"], "directory-key", root["key"])
        signed = signed_part(document, "directory", key["key"])
        self.issued, expires = moment(signed["issued"]), moment(signed["expires"])
        for one in (root, key):
            starts, ends = moment(one["not_before"]), moment(one["not_after"])
            ours = one["network"] == signed["network"] == pinned["network"]
            need(ours and starts <= self.issued < expires <= ends, "bad-directory")
        self.network, self.version, self.digest = one["network"], signed["version"], digest(signed)
        self.members = {member["name"]: member for member in signed["organisations"]}
        self.chains = {name: self.chain(name, one) for name, one in self.members.items()}
    def chain(self, name, member):  # [from, until, digest, keys] of each; the one before signed it
        sets, before = [[0, 0, 0]], None
        for document in member["key_sets"]:
            own = document["signed"]["organisation_key"]
            signers = [own] if before in (None, own) else [own, before]
            one, before = signed_part(document, "key-set", *signers), own
            its = one["version"], one.get("previous", 0), one["network"], one["organisation"]
            starts, ends, log = moment(one["not_before"]), moment(one["not_after"]), one["log"]
            follows = its == (len(sets), sets[-1][2], self.network, name) and sets[-1][0] <= starts
            need(follows and starts < ends, "bad-directory")
            keys = [unb64(key) for key in (log["ed25519"], log["mldsa44"], one["witness"])]
            sets.append([starts, ends, digest(one), keys])
        return sets[1:]
    def keys_at(self, name, second):  # Ed25519, ML-DSA-44 and witness key at a POSIX second
        begun = [one for one in self.chains.get(name, []) if one[0] <= second * 1000]
        need(begun and second * 1000 < begun[-1][1], "no-log-keys")
        return begun[-1][3]
# ---- 5 Entries, and the private parts that were opened beside them.
def read_entry(raw):  # a public part, written in the one canonical way, and its instant
    entry = json.loads(raw.decode("utf-8"))
    common = {"id", "kind", "organisation", "private", "slot", "time", "v"}
    good = set(entry) >= common and all(type(one) in (str, int, dict) for one in entry.values())
    controls = re.search(rb'\\[^"\\]|\x7f', raw.replace(rb"\\", b""))
    need(good and entry["v"] == 1 and not controls, "bad-entry")
    need(canonical(entry) == raw, "not-canonical")
    return entry | {"at": moment(entry["time"])}
def opened(raw, plaintext):  # an entry and its private part, which it must have committed to
    entry, part = read_entry(raw), json.loads(plaintext)
    committed = sha256(b"sekisho/private/v1\0", plaintext).hex()
    need(entry["private"] == committed and canonical(part) == plaintext, "private-mismatch")
    return entry, part
def need_included(note, index, raw, path):  # the entry's audit path must lead to the note's root
    root = audited_root(note.size, index, sha256(b"\0", raw), path := hashes(unb64(path)))
    need(root == note.root and not path and index < note.size, "not-included")
def check_receipt(receipt, part, peers, directory):  # its answer is as its peer signed it
    answer, peer = read_entry(raw := unb64(part["answer"])), receipt["peer"]
    repeated = ("inquiry_leaf", "permit_id", "outcome", "payload")
    same = all(answer.get(one, receipt.get(one)) == receipt.get(one) for one in repeated)
    same &= (sha256(b"\0", raw).hex(), answer["organisation"]) == (receipt["answer_leaf"], peer)
    same &= answer.get("of", receipt["inquiry_leaf"]) == receipt["inquiry_leaf"]
    need(same, "receipt-mismatch")
    note = Note(peers[part["answer_checkpoint"]]).verify(directory, peer, answer["slot"])
    need_included(note, part["answer_index"], raw, part["answer_path"])
# ---- 6 One slot: which notes are of this tree, and the first index at which it fails.
class Slot:  # The files of one slot, and what is wrong with them as (index, reason).
    def __init__(self, number, files, named):
        name, about = f"slots/{number}", json.loads(files[f"slots/{number}.json"])
        self.first, self.number, self.faults = about["first"], number, []
        self.left, self.given = hashes(b"".join(map(unb64, about["left"]))), about["notes"]
        self.entries = [entry for _, entry in frames(files[f"{name}.entries"], 0, 2)]
        self.private = list(frames(private := files.get(f"{name}.private", b""), 8, 4))
        self.hashes = [sha256(b"\0", entry) for entry in self.entries]
        self.leaves = hashes(files[f"{name}.leaves"])
        self.end, self.lost, self.named = self.first + len(self.leaves), None, named
        good = about["slot"] == number and len(self.left) == self.first.bit_count()
        good &= sum(12 + len(part) for _, part in self.private) == len(private)
        need(good and (self.leaves or not self.entries), "bad-bundle")
    def fault(self, index, reason): self.faults.append((index, reason))
    def read(self, directory, name, witnesses, given):  # what the log signed, and how it fails
        self.notes, self.foreign, self.losses = [], [], []
        for one in self.given + given:
            try:
                note = Note(one["note"]).verify(directory, name, self.number, witnesses)
                note.proof = hashes(b"".join(map(unb64, one["proof"])))
                (self.foreign if one in given else self.notes).append(note)
            except WRONG as error:  # what a peer holds proves nothing if it does not verify
                if one not in given: self.fault(None, reason_of(error, "bad-note"))
        notes = sorted(self.notes, key=lambda one: one.size)
        self.agreeing, self.held, stop = self.check_tree(notes, self.foreign)
        self.size = max((note.size for note in self.agreeing), default=0)
        self.times = self.check_entries(name, self.agreeing, stop)
    def seen(self, size, *, last=False, until=2**63):  # when by enough; `last`: as of when
        notes, signers = [note for note in self.agreeing if note.size >= size], set()
        lines = [(at, who) for one in notes for who, at in one.cosigned_at.items() if at <= until]
        for at, who in sorted(lines, reverse=last):
            signers.add(who)  # enough are more than half of those whom the directory named then
            if 2 * len(signers & self.named(at)) > len(self.named(at)): return at
    def cosigned(self):  # the largest size that enough witnesses signed, and as of when
        most = bisect.bisect_left(self.agreeing, 1, key=lambda one: self.seen(one.size) is None)
        if most: return [size := self.agreeing[most - 1].size, self.seen(size, last=True)]
    def judge_end(self, begins, ends, losses):  # is all here until then, or told to be lost?
        due, last = self.first + bisect.bisect_left(self.times, ends), max(self.times, default=0)
        told = [one for one in losses if self.lacks(one) and last <= one["seen"] * 1000 + 120_000]
        loss = max(told, key=lambda one: one["seen"], default={"seen": 0})
        found = loss["seen"]  # what was signed within 15 minutes before may lack what is lost
        until = found - 900 if told and last < ends else 2**63
        held = [one.second for one in self.held if one.size >= due and one.second <= until]
        self.proved = max([self.seen(due, last=True, until=until) or 0, *held]) * 1000 >= ends
        grown = [one for one in self.foreign if found + 120 < one.second < ends / 1000] + self.notes
        whole = len(self.times) == len(self.leaves) and last < ends
        if whole and any(one.size > self.end for one in grown): self.fault(self.end, "truncated")
        if not told: return
        known = [one.size for one in self.foreign if one.second <= found + 120] + [loss["known"]]
        self.lost = {"first": self.size, "end": max(known), "told": loss["told"]}
        if last >= ends: self.proved |= loss["is_prefix"] == 1  # it was lost after the period
        elif begins >= found * 1000: self.proved = True  # it was lost before the period
        elif not self.proved: self.fault(self.size, "lost")
    def lacks(self, loss):  # tell whether a loss is of this tree
        if loss["slot"] != self.number: return False
        if loss["is_prefix"] != 1: return self.size <= loss["known"]
        return (loss["size"], loss["root"]) in [(note.size, note.root) for note in self.agreeing]
    def judge_begin(self, begins, erased):  # may it begin so late, and did witnesses see the rest?
        if not self.first or (self.times[0] < begins if self.times else self.leaves): return
        known = {(self.number, self.first, note.size, note.root.hex()) for note in self.agreeing}
        ends = [at for at, kept in erased if kept & known and at <= min(self.times, default=at)]
        if not ends: self.fault(self.first, "begins-late")
        self.proved &= (self.seen(self.first) or 2**63) * 1000 <= max(ends, default=0) + 120_000
    def check_tree(self, notes, foreign):  # notes of this tree, own and foreign; where it is false
        peaks, sizes = list(self.left), {note.size for note in notes + foreign} | {self.end}
        roots, found, stop = {self.first: root_of(peaks)}, [], self.end
        for size, leaf in enumerate(self.hashes, start=self.first):
            add_leaf(peaks, size, leaf)
            if size + 1 in sizes: roots[size + 1] = root_of(peaks)
        agreeing = [note for note in notes if self.is_of_tree(note, roots)]
        largest = max((note.size for note in agreeing), default=-1)
        forks = [note for note in notes if note not in agreeing and note.size <= largest]
        proved = max(self.first, min(largest, self.end))
        if len(agreeing) + len(forks) < len(notes): found = [self.locate(proved)]
        elif not notes: found = [(self.first, "no-checkpoint")]
        elif self.hashes != self.leaves: found = [self.locate(self.first, proved)]
        elif proved < self.end: found = [(proved, "unsigned")]
        if found and found[0][1] not in ("unsigned", "leaf-changed"): stop = found[0][0]
        known = {note.size: note.root for note in agreeing} | roots
        held = [one for one in foreign if known.get(one.size) == one.root]
        if not found: forks += [one for one in foreign if known.get(one.size, one.root) != one.root]
        for fork in forks:
            self.fault(max((n.size for n in agreeing if n.size < fork.size), default=0), "fork")
        self.faults += found
        return agreeing, held, stop
    def is_of_tree(self, note, roots):  # by its size, or by its proof from or to the range
        if note.size in roots: return roots[note.size] == note.root
        ends = note.size, self.first, note.root, roots[self.first]
        if note.size > self.first: ends = self.end, note.size, roots.get(self.end), note.root
        try: return both_roots(*ends, note.proof) == ends[2:] and not note.proof
        except LookupError: return False
    def locate(self, start, signed_before=0):  # the first place where entries and leaves part
        for at in range(start - self.first, max(len(self.hashes), len(self.leaves))):
            ours, its, index = self.hashes[at : at + 2], self.leaves[at : at + 2], self.first + at
            if ours[:1] == its[:1]: continue
            if index < signed_before: return index, "leaf-changed"
            if not ours: return index, "truncated"
            if ours[::-1] == its: return index, "entries-reordered"
            if not its or ours[1:] == its[:1]: return index, "entry-inserted"
            if its[1:] == ours[:1]: return index, "entry-missing"
            return index, "entries-reordered" if ours[0] in self.leaves else "entry-changed"
        return start, "rewritten"
    def check_entries(self, name, agreeing, stop):  # instants up to `stop` or the first bad one
        marks = sorted((n.size, at * 1000) for n in agreeing for at in n.cosigned_at.values())
        sizes, times = [size for size, _ in marks], []
        after = list(itertools.accumulate((at for _, at in marks), max, initial=0))
        before = list(itertools.accumulate((at for _, at in marks[::-1]), min, initial=2**63))[::-1]
        for index, raw in enumerate(self.entries[: stop - self.first], start=self.first):
            try:
                entry, place = read_entry(raw), bisect.bisect(sizes, index)
                need(entry["organisation"] == name, "wrong-organisation")
                need(entry["slot"] == self.number, "wrong-slot")
                need(index or entry["kind"] == "opened", "not-opened")
                need(not times or times[-1] <= entry["at"], "time-decreases")
                need(after[place] - 120_000 <= entry["at"] <= before[place] + 120_000, "back-dated")
            except WRONG as error:
                return self.fault(index, reason_of(error, "bad-entry")) or times
            times.append(entry["at"])
            if entry["kind"] == "log-loss": self.losses.append(index)
        return times
    def check_private(self, directory, peers):  # opened parts are those that entries committed to
        entries = dict(enumerate(self.entries, start=self.first))
        for index, plaintext in self.private:
            reason = "private-mismatch"
            try:
                entry, part = opened(entries[index], plaintext)
                reason = "receipt-unproved"
                if entry["kind"] == "receipt": check_receipt(entry, part, peers, directory)
            except WRONG as error:
                self.fault(index, error.args[0] if "receipt-mismatch" in error.args else reason)
# ---- 7 Grounds: entries that say why a slot begins late (`erased`) or ends (`log-loss`).
def grounds(kind, listed, slots, name, read):  # by place, those that a slot of this bundle holds
    found = {}
    for one in listed:
        try:
            raw, note = unb64(one["entry"]), slots[one["slot"]].agreeing[-1]
            need_included(note, one["index"], raw, one["path"])
            entry, part = opened(raw, unb64(one["private"]))
            its = entry["kind"], entry["organisation"], entry["slot"]
            good = its == (kind, name, one["slot"]) and entry["at"] <= note.second * 1000 + 120_000
            if good: found[one["slot"], one["index"]] = read(entry, part)
        except WRONG: continue  # it proves nothing
    return found
def read_erasure(entry, part):  # the end of the month, and what was kept
    need((over := moment(part["ended"])) + 7 * 365 * 86_400_000 <= entry["at"], "not-due")
    return over, {tuple(r[it] for it in ("slot", "end", "size", "root")) for r in part["ranges"]}
def read_loss(_, part):  # what is left of a slot, and how large it is known to have been
    return part | {"root": unb64(part["root"]), "known": max(part["size"], part["known_size"])}
# ---- 8 The bundle.
def read_files(path):
    if path.is_dir():
        return {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*.*")}
    with zipfile.ZipFile(path) as archive:
        need(len(set(archive.namelist())) == len(archive.namelist()), "bad-bundle")
        return {name: archive.read(name) for name in archive.namelist()}
def verify(files, root, history=(), witness_keys=(), peer_notes=()):  # notes are of this log
    about, pinned = json.loads(files["bundle.json"]), json.loads(root)["signed"]
    name, period = about["organisation"], (moment(about["begins"]), moment(about["ends"]))
    good = (about["type"], about["version"]) == ("record-bundle", 1) and period[0] <= period[1]
    good &= " ".join(sorted(about)) == "begins ends network organisation slots type version"
    need(good and max(about["slots"]) < 1024, "bad-bundle")
    versions = [Directory(json.loads(raw), pinned) for raw in history or [files["directory.json"]]]
    directory = (versions := sorted(versions, key=lambda one: one.version))[-1]
    for old in versions:  # the newest tells the keys of all times: it must go on from the others
        need(old.version < directory.version or old.digest == directory.digest, "directory-fork")
        need(all(directory.chains[n][: len(s)] == s for n, s in old.chains.items()), "re-enrolled")
    need(name in directory.members and about["network"] == directory.network, "other-log")
    def key_of(line): return lambda second: directory.keys_at(line.split("/")[1], second)[2]
    def lines_of(version):  # of the witnesses that it names
        listed = version.members.get(name, {"witnesses": ()})["witnesses"]
        return {f"{version.network}/{who}/witness" for who in listed}
    def named(second):  # by the newest version from before, else by the oldest; or by hand
        then = [one for one in versions if one.issued <= second * 1000] or versions[:1]
        return by_hand.keys() or lines_of(then[-1])
    by_hand = {who: lambda _, key=unb64(key): key for who, key in witness_keys}
    witnesses = by_hand or {who: key_of(who) for one in versions for who in lines_of(one)}
    peers = {sha256(n.encode()).hex(): n for n in json.loads(files["peer-notes.json"])["notes"]}
    given, slots, faults = [{"note": text, "proof": ()} for text in peer_notes], {}, []
    for number in range(directory.members[name]["slots"]):
        try:
            need(number in about["slots"], "missing-slot")
            slot = Slot(number, files, named)
            slot.check_private(directory, peers)
            slot.read(directory, name, witnesses, given)
            slots[number] = slot
        except WRONG as error:
            faults.append({"slot": number, "index": None, "reason": reason_of(error, "bad-bundle")})
    def listed(what): return json.loads(files.get(f"{what}.json", f'{{"{what}":[]}}'))[what]
    erased = grounds("erased", listed("erasures"), slots, name, read_erasure).values()
    lost, told = grounds("log-loss", listed("losses"), slots, name, read_loss), []
    places = {(one["slot"], one["index"]) for one in listed("losses")}
    places |= {(number, index) for number, slot in slots.items() for index in slot.losses}
    faults += [{"slot": at, "index": n, "reason": "loss-unproved"} for at, n in places - set(lost)]
    losses = [loss | {"told": list(by), "seen": at} for by, loss in lost.items()
              if (at := slots[by[0]].seen(by[1] + 1))]
    for number, slot in slots.items():  # a ground may be told in another slot: all come first
        slot.judge_end(*period, losses)
        slot.judge_begin(period[0], erased)
        told.append({"slot": number, "first": slot.first, "end": slot.end, "lost": slot.lost,
                     "cosigned": slot.cosigned(), "complete": slot.proved and not slot.faults})
        faults += [{"slot": number, "index": at, "reason": why} for at, why in slot.faults]
    complete = not faults and all(slot["complete"] for slot in told)
    return {"organisation": name, "begins": about["begins"], "ends": about["ends"],
            "complete": "proved" if complete else "unproved", "slots": told, "faults": faults}
def main():
    add = (parser := argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])).add_argument
    add("bundle", type=Path, help="an exported bundle: a zip archive or a folder")
    add("--root", type=Path, required=True, help="the pinned root document")
    add("--history", type=Path, help="a folder of directory documents; else the bundle's own")
    add("--witness-key", action="append", default=[], metavar="NAME=KEY", help="instead of theirs")
    add("--peer-note", action="append", default=[], metavar="FILE", help="a note another holds")
    for flag in ("--allow-unproved", "--json"): add(flag, action="store_true")
    args = parser.parse_args()
    try:
        keys = [one.split("=") for one in args.witness_key]
        history = [one.read_bytes() for one in args.history.glob("*.json")] if args.history else []
        notes = [Path(one).read_text("utf-8") for one in args.peer_note]
        report = verify(read_files(args.bundle), args.root.read_bytes(), history, keys, notes)
    except (*WRONG, OSError, zipfile.BadZipFile) as error:
        fault = {"slot": None, "index": None, "reason": reason_of(error, "bad-bundle")}
        report = {"complete": "unproved", "slots": [], "faults": [fault]}
    proved = args.allow_unproved or report["complete"] == "proved"
    report["verified"] = proved and not report["faults"]
    print(json.dumps(report, indent=None if args.json else 2))
    return 0 if report["verified"] else 1
if __name__ == "__main__": sys.exit(main())
