//! Marks, and how they follow lines that come and go.

use crate::limits::JUMPS_MAX;
use crate::text::Pos;
use crate::visual::LastVisual;

/// All remembered positions of a buffer.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    /// `a` to `z`: gone with their line, and brought back by undo.
    pub(crate) named: [Option<Pos>; 26],
    /// `A` to `Z` and `0` to `9`: they survive their line.
    pub(crate) file: [Option<Pos>; 36],
    /// `'[` and `']`: the text of the last operator or insert.
    pub(crate) op_start: Option<Pos>,
    pub(crate) op_end: Option<Pos>,
    /// `'^`: where insert mode was left.
    pub(crate) last_insert: Option<Pos>,
    /// `'.`: where the text last changed.
    pub(crate) last_change: Option<Pos>,
    /// `''`: before the last jump; and the one before, until the jump has really moved.
    pub(crate) jump: Option<Pos>,
    pub(crate) jump_before: Option<Pos>,
    pub(crate) jumps: Jumps,
    pub(crate) visual: LastVisual,
}

impl Marks {
    pub(crate) fn new(last_row: usize) -> Marks {
        Marks {
            named: [None; 26],
            file: [None; 36],
            op_start: Some(Pos::default()),
            op_end: Some(Pos { row: last_row, col: 0 }),
            last_insert: None,
            last_change: None,
            jump: Some(Pos::default()),
            jump_before: None,
            jumps: Jumps { places: vec![Pos::default()], at: 1 },
            visual: LastVisual::default(),
        }
    }

    /// `gone` rows from `first` on are deleted, and what is below moves by `delta` rows.
    pub(crate) fn shift_rows(&mut self, first: usize, gone: usize, delta: isize) {
        let lost_with_line = self
            .named
            .iter_mut()
            .chain([&mut self.last_insert, &mut self.last_change])
            .chain([&mut self.jump, &mut self.jump_before]);
        for mark in lost_with_line {
            if let Some(pos) = mark {
                match shifted(pos.row, first, gone, delta) {
                    Some(row) => pos.row = row,
                    None => *mark = None,
                }
            }
        }
        for pos in &mut self.jumps.places {
            pos.row = shifted(pos.row, first, gone, delta).unwrap_or(first);
        }
        let visual = [&mut self.visual.start, &mut self.visual.end];
        for pos in self.file.iter_mut().chain(visual).flatten() {
            pos.row = shifted(pos.row, first, gone, delta).unwrap_or(first);
        }
    }

    /// Line `row` becomes the part of line `row - up` from `col` on; `cut` blanks before it went.
    pub(crate) fn join_row(&mut self, row: usize, up: usize, col: usize, cut: isize) {
        let delta = isize::try_from(col).unwrap_or(0) - cut;
        if delta == 0 && up == 0 {
            return;
        }
        let all = self
            .named
            .iter_mut()
            .chain(self.file.iter_mut())
            .chain([&mut self.last_insert, &mut self.last_change])
            .chain([&mut self.jump, &mut self.jump_before])
            .chain([&mut self.visual.start, &mut self.visual.end]);
        let all = all.flatten().chain(&mut self.jumps.places);
        for pos in all.filter(|pos| pos.row == row) {
            pos.row -= up.min(pos.row);
            let old = isize::try_from(pos.col).unwrap_or(isize::MAX / 2);
            let new = if delta < 0 && old <= -delta {
                0
            } else if old < cut {
                delta + cut
            } else {
                old + delta
            };
            pos.col = usize::try_from(new).unwrap_or(0);
        }
    }
}

/// The places jumped from, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Jumps {
    places: Vec<Pos>,
    /// The place gone to last; behind all of them after a new jump.
    at: usize,
}

impl Jumps {
    pub(crate) fn add(&mut self, pos: Pos) {
        self.places.push(pos);
        if self.places.len() > JUMPS_MAX {
            self.places.remove(0);
        }
        self.at = self.places.len();
    }

    /// The place `count` jumps back or on.
    pub(crate) fn go(&mut self, cursor: Pos, back: bool, count: usize) -> Option<Pos> {
        self.drop_doubles();
        let step = if back { -count.cast_signed() } else { count.cast_signed() };
        let target = self.at.checked_add_signed(step).filter(|&at| at < self.places.len())?;
        let mut target = target;
        if self.at == self.places.len() {
            self.add(cursor);
            self.at = self.at.checked_sub(1)?;
            target = self.at.checked_add_signed(step)?;
        }
        self.at = target;
        self.places.get(target).copied()
    }

    /// Only the latest place in a row is kept.
    fn drop_doubles(&mut self) {
        let all = std::mem::take(&mut self.places);
        let old_at = self.at;
        if old_at == all.len() {
            self.at = usize::MAX;
        }
        for (i, pos) in all.iter().enumerate() {
            if i == old_at {
                self.at = self.places.len();
            }
            if !all[i + 1..].iter().any(|later| later.row == pos.row) {
                self.places.push(*pos);
            }
        }
        self.at = self.at.min(self.places.len());
    }
}

fn shifted(row: usize, first: usize, gone: usize, delta: isize) -> Option<usize> {
    if row < first {
        Some(row)
    } else if row < first + gone {
        None
    } else {
        Some(row.saturating_add_signed(delta))
    }
}
