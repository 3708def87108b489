//! Owns the terminal: one thread asks the agent, one waits for signals, this one draws.
//!
//! The terminal is put back on every way out: return, error, panic, SIGTERM, SIGHUP and SIGINT.

use super::draw::draw;
use super::model::Model;
use super::{Snapshot, Sort};
use crate::cli::ask::{Agent, AskError};
use crate::view::SeriesView;
use crossterm::event::{self, Event, KeyEventKind};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const REFRESH: Duration = Duration::from_secs(2);
/// How late news is shown, and how late a signal is obeyed.
const KEY_WAIT: Duration = Duration::from_millis(100);

enum News {
    Snapshot(Result<Box<Snapshot>, AskError>),
    Series(SeriesView),
    Signal,
}

/// What the asking thread shall ask for.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wish {
    sort: Sort,
    series: Option<String>,
}

pub(super) fn live(agent: Agent, sort: Sort) -> io::Result<()> {
    let (tell, news) = mpsc::channel();
    let (wish, wishes) = mpsc::channel();
    watch_signals(tell.clone())?;
    std::thread::Builder::new()
        .name("top-ask".into())
        .spawn(move || ask(&agent, Wish { sort, series: None }, &wishes, &tell))?;
    // https://no-color.org: set and not empty.
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut terminal = Screen(ratatui::try_init()?);
    show(&mut terminal.0, Model::new(sort, colour), &news, &wish)
}

/// Puts the terminal back when it goes; ratatui's panic hook does so on a panic.
struct Screen(ratatui::DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut model: Model,
    news: &Receiver<News>,
    wish: &Sender<Wish>,
) -> io::Result<()> {
    let mut changed = true;
    let mut wished = wish_of(&model);
    loop {
        if changed {
            terminal.draw(|frame| draw(frame, &model))?;
            changed = false;
        }
        if event::poll(KEY_WAIT)? {
            changed = true;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && model.key(key).is_break()
            {
                return Ok(());
            }
        }
        while let Ok(news) = news.try_recv() {
            changed = true;
            match news {
                News::Signal => return Ok(()),
                News::Series(series) => model.news_of_series(series),
                News::Snapshot(snapshot) => model.news(snapshot.map(|boxed| *boxed)),
            }
        }
        if wish_of(&model) != wished {
            wished = wish_of(&model);
            // The asking thread ends only after this one.
            let _ = wish.send(wished.clone());
        }
    }
}

fn wish_of(model: &Model) -> Wish {
    Wish { sort: model.sort, series: model.wanted_series().map(str::to_owned) }
}

/// Asks every two seconds, at once when another thing is wished, until nobody listens.
fn ask(agent: &Agent, mut wished: Wish, wishes: &Receiver<Wish>, tell: &Sender<News>) {
    loop {
        let snapshot = Snapshot::of(agent, wished.sort).map(Box::new);
        if tell.send(News::Snapshot(snapshot)).is_err() {
            return;
        }
        if let Some(Ok(series)) = wished.series.as_deref().map(|target| agent.series(target))
            && tell.send(News::Series(series)).is_err()
        {
            return;
        }
        match wishes.recv_timeout(REFRESH) {
            // Keys that are held down wish faster than the agent should be asked.
            Ok(wish) => wished = wishes.try_iter().last().unwrap_or(wish),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn watch_signals(tell: Sender<News>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let [mut term, mut hangup, mut interrupt] = {
        let _entered = runtime.enter();
        [
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::interrupt())?,
        ]
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = term.recv() => {}
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        // Nobody listens any more only if `top` is over.
        let _ = tell.send(News::Signal);
    };
    std::thread::Builder::new().name("top-signals".into()).spawn(wait)?;
    Ok(())
}
