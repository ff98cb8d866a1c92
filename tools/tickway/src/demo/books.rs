//! The journal's side of the reconciliation: what was sent, what came of it, and how long it took.

use super::latency::Samples;
use super::report;
use crate::ledger::JournalFiles;
use journal::record::{Intent, Kill, Record, Sent};
use journal::{Entry, Journal};
use shm_layout::kill_page::Engagement;
use shm_layout::message::order::OrderRequest;
use shm_layout::types::{ClOrdId, ExecType, Nanos};
use std::collections::{BTreeMap, VecDeque};

/// First code of a refusal by the gateway; below it, and above none, it is risk's.
const GATEWAY_REASONS: u16 = 64;

/// Counts of ExecutionReports by what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reports {
    /// Accepted by the venue.
    pub accepted: u64,
    /// Refused by risk.
    pub rejected_by_risk: u64,
    /// Refused by gateway or venue.
    pub rejected: u64,
    /// Cancelled, on request or not.
    pub cancelled: u64,
    /// Replaced.
    pub replaced: u64,
}

/// A request that was journaled and not yet told to be sent.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    is_new: bool,
    /// When the feed handler had read the tick that caused it.
    feed_ns: Nanos,
}

/// What the journals say.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// NewOrderSingles that the socket took: ClOrdID by UserRefNum.
    pub sent_new: BTreeMap<u32, ClOrdId>,
    /// NewOrderSingles sent, each record counted.
    pub sent: u64,
    /// ExecutionReports.
    pub reports: Reports,
    /// Executions, broken ones taken off.
    pub fills: i64,
    /// Journaled kills that engaged, with their sequences, in order.
    pub kills: Vec<(u64, Kill)>,
    /// Kernel receive stamp of the cause to the return of the write, new orders only.
    pub tick_to_order: Samples,
    /// Sent orders that a timer caused.
    pub timer_caused: u64,
    /// Feed handler's read to the strategy's.
    pub market_data: Samples,
    /// Strategy's read to risk's.
    pub order_intent: Samples,
    /// Risk's read to the gateway's record.
    pub order_entry: Samples,
    /// Kernel receive stamp of the cause to the feed handler's read.
    pub receive: Samples,
    /// Feed handler's read to the order's bytes, encoded, journaled and about to be written: the four stages, no socket.
    pub path: Samples,
    /// The write of the order's bytes to the socket.
    pub send: Samples,
    /// Requests journaled and not yet told to be sent: in order.
    waiting: BTreeMap<ClOrdId, VecDeque<Waiting>>,
}

impl Books {
    /// Reads every record of a journal.
    pub fn read(&mut self, files: &JournalFiles) {
        let slices = files.slices();
        for entry in Journal::new(&slices, files.tail.as_ref()).entries() {
            self.add(&entry);
        }
    }

    /// Takes the next record.
    pub fn add(&mut self, entry: &Entry<'_>) {
        // What is not readable is the fold's and verify's to say.
        let Ok(record) = entry.record() else { return };
        match record {
            Record::Intent(intent) => self.intent(&intent),
            Record::Sent(sent) => self.sent(&sent),
            Record::NotSent(not_sent) => {
                self.waiting.get_mut(&not_sent.cl_ord_id).and_then(VecDeque::pop_front);
            }
            Record::Execution(execution) => self.report(execution.report.exec_type(), execution.report.reason),
            Record::Kill(kill) if kill.engaged == 1 => self.kills.push((entry.header.sequence, kill)),
            _ => {}
        }
    }

    /// What an engagement of the kill came to: its record is the gateway's answer.
    #[must_use]
    pub fn kill_of(&self, engagement: &Engagement) -> report::Kill {
        let released = engagement.generation == 0;
        // A released word has lost its generation; its record is the last one then.
        let is_its = |kill: &Kill| released || kill.generation_sum == engagement.generation;
        let answer = self.kills.iter().rev().find(|(_, kill)| is_its(kill));
        report::Kill {
            engaged: true,
            released,
            journal_sequence: answer.or(self.kills.last()).map(|(sequence, _)| *sequence),
            confirmed_ns: answer.map(|(_, kill)| kill.now_ns.0.saturating_sub(engagement.engaged_ns.0)),
        }
    }

    /// Every latency with its name: the whole, the path, what the sockets add to it, and its hops.
    #[must_use]
    pub fn latencies(&self) -> Vec<(&'static str, Samples)> {
        let all = [
            ("tick-to-order", &self.tick_to_order),
            ("path", &self.path),
            ("receive", &self.receive),
            ("send", &self.send),
            ("market_data", &self.market_data),
            ("order_intent", &self.order_intent),
            ("order_entry", &self.order_entry),
        ];
        all.map(|(name, samples)| (name, samples.clone())).to_vec()
    }

    fn intent(&mut self, intent: &Intent) {
        let Ok(request) = OrderRequest::decode(&intent.request) else { return };
        let header = request.header();
        let is_new = matches!(request, OrderRequest::NewOrderSingle(_));
        let feed_ns = header.receive_ns.plus(header.feed_delta_ns.into());
        self.waiting.entry(header.cl_ord_id).or_default().push_back(Waiting { is_new, feed_ns });
        if !is_new || header.receive_ns == Nanos(0) {
            return;
        }
        let at_ns = intent.now_ns.0;
        let (feed, strategy, risk) = (header.feed_delta_ns, header.strategy_delta_ns, header.risk_delta_ns);
        self.market_data.add(at_ns, u64::from(strategy.saturating_sub(feed)));
        self.order_intent.add(at_ns, u64::from(risk.saturating_sub(strategy)));
        let gateway = intent.now_ns.delta_from(header.receive_ns);
        self.order_entry.add(at_ns, u64::from(gateway.saturating_sub(risk)));
        self.receive.add(at_ns, u64::from(feed));
    }

    fn sent(&mut self, sent: &Sent) {
        let waiting = self.waiting.get_mut(&sent.cl_ord_id).and_then(VecDeque::pop_front);
        let Some(Waiting { feed_ns, .. }) = waiting.filter(|waiting| waiting.is_new) else { return };
        self.sent += 1;
        self.sent_new.insert(sent.user_ref_num, sent.cl_ord_id);
        if sent.receive_ns == Nanos(0) {
            self.timer_caused += 1;
        } else {
            self.tick_to_order.add(sent.send_ns.0, sent.send_ns.0.saturating_sub(sent.receive_ns.0));
            // 0: a record from before the write was timed.
            if sent.write_ns != 0 {
                let write_ns = u64::from(sent.write_ns);
                self.path.add(sent.send_ns.0, sent.send_ns.0.saturating_sub(feed_ns.0 + write_ns));
                self.send.add(sent.send_ns.0, write_ns);
            }
        }
    }

    fn report(&mut self, exec_type: Option<ExecType>, reason: u16) {
        match exec_type {
            Some(ExecType::New) => self.reports.accepted += 1,
            Some(ExecType::Rejected) if (1..GATEWAY_REASONS).contains(&reason) => self.reports.rejected_by_risk += 1,
            Some(ExecType::Rejected) => self.reports.rejected += 1,
            Some(ExecType::Canceled) => self.reports.cancelled += 1,
            Some(ExecType::Replaced) => self.reports.replaced += 1,
            Some(ExecType::Trade) => self.fills += 1,
            Some(ExecType::TradeCancel) => self.fills -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::frame::Header;
    use journal::{Place, RecordType};
    use shm_layout::message::order::{NewOrderSingle, OrderCancelRequest, OrderHeader, OrderKind};
    use shm_layout::types::Side;

    fn add(books: &mut Books, record: &Record) {
        let record_type = record.record_type() as u16;
        let header = Header { record_type, version: 1, sequence: 9, epoch: 1, file_id: 1 };
        books.add(&Entry { place: Place::Tail, header, payload: record.payload() });
    }

    fn header(kind: OrderKind, receive_ns: u64) -> OrderHeader {
        OrderHeader {
            kind: kind as u8,
            side: Side::Buy as u8,
            ord_type: if kind == OrderKind::NewOrderSingle { 0x32 } else { 0 },
            time_in_force: if kind == OrderKind::NewOrderSingle { 0x30 } else { 0 },
            cl_ord_id: ClOrdId(5),
            receive_ns: Nanos(receive_ns),
            feed_delta_ns: 100,
            strategy_delta_ns: 350,
            risk_delta_ns: 900,
            ..OrderHeader::default()
        }
    }

    fn intent(header: OrderHeader, now_ns: u64) -> Record {
        let request = if header.kind == OrderKind::NewOrderSingle as u8 {
            OrderRequest::NewOrderSingle(NewOrderSingle { header, ..NewOrderSingle::default() })
        } else {
            OrderRequest::OrderCancelRequest(OrderCancelRequest { header, ..OrderCancelRequest::default() })
        };
        Record::intent(&request, 3, 0, Nanos(now_ns))
    }

    fn sent(receive_ns: u64, send_ns: u64) -> Record {
        let (send_ns, receive_ns) = (Nanos(send_ns), Nanos(receive_ns));
        Record::Sent(Sent { cl_ord_id: ClOrdId(5), user_ref_num: 3, write_ns: 300, send_ns, receive_ns })
    }

    #[test]
    fn a_cancel_by_the_gateway_under_the_orders_own_id_is_no_second_order() {
        let mut books = Books::default();
        add(&mut books, &intent(header(OrderKind::NewOrderSingle, 10_000), 11_500));
        add(&mut books, &sent(10_000, 12_000));
        add(&mut books, &intent(header(OrderKind::OrderCancelRequest, 0), 20_000));
        add(&mut books, &sent(0, 21_000));
        assert_eq!((books.sent, books.sent_new.len(), books.timer_caused), (1, 1, 0));
        assert_eq!(books.tick_to_order.figures().max, Some(2_000));
        assert_eq!(books.market_data.figures().max, Some(250));
        assert_eq!(books.order_intent.figures().max, Some(550));
        assert_eq!(books.order_entry.figures().max, Some(600));
        let parts = [&books.receive, &books.path, &books.send].map(|part| part.figures().max);
        assert_eq!(parts, [Some(100), Some(1_600), Some(300)], "together the 2000 from receipt to write");
    }

    #[test]
    fn a_kill_is_told_by_its_record_also_after_its_release() {
        use shm_layout::kill_page::Engager;
        let mut books = Books::default();
        let engagement = |generation, engaged_ns| Engagement {
            engager: Engager::Operator,
            generation,
            engaged_ns: Nanos(engaged_ns),
            released_ns: Nanos(if generation == 0 { 9_000 } else { 0 }),
            reason: "drill".to_owned(),
        };
        let unanswered = books.kill_of(&engagement(4, 1_000));
        assert!(unanswered.engaged && unanswered.confirmed_ns.is_none() && unanswered.journal_sequence.is_none());
        let record =
            |generation_sum, engaged, now_ns| Record::Kill(Kill { generation_sum, engaged, now_ns: Nanos(now_ns) });
        add(&mut books, &record(4, 1, 1_250));
        let told = |kill: report::Kill| (kill.engaged, kill.released, kill.journal_sequence, kill.confirmed_ns);
        assert_eq!(told(books.kill_of(&engagement(4, 1_000))), (true, false, Some(9), Some(250)));
        add(&mut books, &record(0, 0, 9_100));
        assert_eq!(told(books.kill_of(&engagement(0, 1_000))), (true, true, Some(9), Some(250)));
        // The supervisor's own, after the gateway's death: nobody answers it.
        assert_eq!(told(books.kill_of(&engagement(5, 9_500))), (true, false, Some(9), None));
    }

    #[test]
    fn orders_of_timers_are_counted_apart_and_unsent_ones_not_at_all() {
        let mut books = Books::default();
        add(&mut books, &intent(header(OrderKind::NewOrderSingle, 0), 11_500));
        add(&mut books, &sent(0, 12_000));
        let not_sent =
            journal::record::NotSent { cl_ord_id: ClOrdId(5), user_ref_num: 3, reason: 68, now_ns: Nanos(1) };
        add(&mut books, &intent(header(OrderKind::NewOrderSingle, 7), 11_500));
        add(&mut books, &Record::NotSent(not_sent));
        assert_eq!(Record::NotSent(not_sent).record_type(), RecordType::NotSent);
        assert_eq!((books.sent, books.timer_caused, books.tick_to_order.figures().count), (1, 1, 0));
    }
}
