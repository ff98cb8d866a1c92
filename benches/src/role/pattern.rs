//! What messages carry: every word depends on the message's number, so that a word lost, doubled or taken from another
//! message changes the sum.

/// Writes message `number`.
#[inline(always)]
pub fn fill<const W: usize>(number: u64, words: &mut [u64; W]) {
    for (index, word) in words.iter_mut().enumerate() {
        *word = number.wrapping_add(SPREAD.wrapping_mul(index as u64));
    }
}

/// Apart by more than any number of messages.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The sum (wrapping) of all words of messages `0..count`, by Gauss: what receivers add up word by word.
#[must_use]
pub fn checksum<const W: usize>(count: u64) -> u64 {
    let numbers = (u128::from(count) * u128::from(count.saturating_sub(1)) / 2) as u64;
    let words = W as u64;
    let spread = SPREAD.wrapping_mul(words * (words - 1) / 2);
    numbers.wrapping_mul(words).wrapping_add(spread.wrapping_mul(count))
}

/// Adds the words of one message.
#[inline(always)]
pub fn sum<const W: usize>(words: &[u64; W]) -> u64 {
    words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauss_and_the_sum_word_by_word_agree() {
        for count in [0, 1, 2, 1_000, 65_537] {
            let mut total = 0_u64;
            let mut words = [0; 15];
            for number in 0..count {
                fill(number, &mut words);
                total = total.wrapping_add(sum(&words));
            }
            assert_eq!(checksum::<15>(count), total);
        }
    }
}
