//! An order in which everything comes after what it leads to.

/// The numbers below `count`, each once, after those that `targets` leads to from it; in a circle, some come before.
pub(super) fn after_targets(count: usize, targets: impl Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let (mut entered, mut ordered) = (vec![false; count], Vec::with_capacity(count));
    // A number stands on the stack once to go to its targets, and once, marked, to be put behind them.
    let mut stack: Vec<_> = (0..count).rev().map(|number| (number, false)).collect();
    while let Some((number, left)) = stack.pop() {
        if left {
            ordered.push(number);
            continue;
        }
        match entered.get_mut(number) {
            Some(entered) if !*entered => *entered = true,
            _ => continue,
        }
        stack.push((number, true));
        stack.extend(targets(number).into_iter().map(|target| (target, false)));
    }
    ordered
}
