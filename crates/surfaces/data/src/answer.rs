//! Answers what a running instance asks of its app's collections: who → may → do → say.
//!
//! Tenant, app and environment come from the instance, never from the request. Refuses instances whose credentials were
//! cut, and stops those under way when the cut comes. Reads are recorded as access, writes in their own commit, an
//! export before it takes effect; refusals by their code. The record holds collection, verb, id and version, no value.

use crate::{
    Data, Error,
    act::{ExportData, ReadData, Scope, Verb, WriteData},
    call::{Ask, Call, Reply, document, told},
    collections::{Collection, Opened},
    places::{Exporting, Held},
    query::{PAGE_BYTES_MAX, Query},
    records::{RECORD_BYTES_MAX, Record, is_id},
    refusal,
};
use authority::{Act, Caller, Instance, Permit, SECOND_FACTOR_FRESH, Target, Who};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use model::{Problem, ProblemKind};
use serde_json::{Value, json};
use std::sync::Arc;
use store::Outcome;

/// An export is one answer, which the app holds in its memory.
const EXPORT_BYTES_MAX: usize = 16 << 20;
/// A record as an answer shows it, and room to spare.
const ONE_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;
/// A page has always one record, whatever the others take.
const LIST_BYTES_MAX: usize = PAGE_BYTES_MAX + ONE_BYTES_MAX;
/// The page that makes an export too large is in memory too.
const EXPORT_ROOM_BYTES: usize = EXPORT_BYTES_MAX + LIST_BYTES_MAX;
/// A number, or nothing.
const WORD_BYTES_MAX: usize = 1 << 10;
/// The collection of a refusal that names none that is declared.
const UNKNOWN: &str = "unknown";

/// One call of one instance.
struct Asked<'a> {
    instance: &'a Instance,
    opened: &'a Opened,
    name: &'a str,
    verb: Verb,
}

/// The collection as it is declared at this moment.
struct Place {
    scope: Scope,
    collection: Arc<Collection>,
}

impl Data {
    /// Answers one call to `http://data.bailiwick` (`POST /v1/collections/C/records` and its neighbours). Never fails:
    /// what is refused is an `application/problem+json`.
    pub async fn answer<B>(&self, instance: &Instance, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: BodyExt<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(document) = document(&request) {
            return document;
        }
        let opened = match self.opened(instance) {
            Ok(opened) => opened,
            Err(error) => return told_of(instance, &error, None),
        };
        tokio::select! {
            biased;
            () = opened.closed() => told_of(instance, &refusal::closed(&instance.name).into(), None),
            response = self.answer_in_place(&opened, instance, request) => response,
        }
    }

    /// INVARIANT: a place is taken before anything is read or done, and given back with the last byte of the answer.
    async fn answer_in_place<B>(
        &self,
        opened: &Opened,
        instance: &Instance,
        request: Request<B>,
    ) -> Response<Full<Bytes>>
    where
        B: BodyExt<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut held = match opened.places.take(&instance.name).await {
            Ok(held) => held,
            Err(problem) => return told(&problem, None),
        };
        match self.answered(opened, instance, request, &mut held).await {
            Ok(reply) => reply.response(held),
            Err(error) => told_of(instance, &error, Some(held)),
        }
    }

    async fn answered<B>(
        &self,
        opened: &Opened,
        instance: &Instance,
        request: Request<B>,
        held: &mut Held,
    ) -> Result<Reply, Error>
    where
        B: BodyExt<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let call = Call::read(request).await?;
        let asked = Asked { instance, opened, name: &call.collection, verb: call.ask.verb() };
        let done = match self.room.take(answer_bytes_max(asked.verb)).await {
            Ok(room) => {
                held.with_room(room);
                self.run(&asked, call.ask).await
            }
            Err(problem) => Err(problem.into()),
        };
        // An export has recorded its refusal itself.
        if let Err(Error::Refused(problem)) = &done
            && asked.verb != Verb::Export
        {
            self.note_refusal(&asked, problem);
        }
        done
    }

    async fn run(&self, asked: &Asked<'_>, ask: Ask) -> Result<Reply, Error> {
        match ask {
            Ask::Get(id) => self.get(asked, &id).await,
            Ask::List(question) => self.list(asked, question).await,
            Ask::Count(question) => self.count(asked, question).await,
            Ask::Insert(fields) => self.store.again(|| self.insert(asked, &fields)).await,
            Ask::Update(id, changes, version) => self.store.again(|| self.update(asked, &id, &changes, version)).await,
            Ask::Delete(id) => self.store.again(|| self.delete(asked, &id)).await,
            Ask::Export => self.store.again(|| self.export(asked)).await,
        }
    }

    /// What the instance's app has open, if the instance still may.
    fn opened(&self, instance: &Instance) -> Result<Arc<Opened>, Error> {
        let opened = self.memory.find(&instance.app);
        let current = opened.filter(|opened| opened.credential_epoch == instance.credential_epoch);
        current.ok_or_else(|| refusal::closed(&instance.name).into())
    }

    fn place(&self, asked: &Asked<'_>) -> Result<Place, Error> {
        let opened = self.opened(asked.instance)?;
        let collection = opened.collections.get(asked.name).cloned().ok_or_else(|| {
            refusal::unknown_collection(asked.name, &asked.instance.name, opened.collections.keys().map(String::as_str))
        })?;
        Ok(Place { scope: self.scope(asked.instance, asked.name), collection })
    }

    fn scope(&self, instance: &Instance, collection: &str) -> Scope {
        Scope { tenant: self.config.tenant.clone(), app: instance.app.clone(), collection: collection.to_owned() }
    }

    /// A denial is an event too.
    pub(crate) async fn permit<A: Act>(&self, caller: &Caller, act: A) -> Result<Permit<A>, Error> {
        let target = act.target();
        match self.authority.permit(caller, act).await {
            Ok(permit) => Ok(permit),
            Err(denied) => {
                self.store.denied(&denied, caller, &target).await?;
                Err(denied.into())
            }
        }
    }

    async fn may_read(&self, asked: &Asked<'_>, place: &Place) -> Result<Permit<ReadData>, Error> {
        self.permit(&asked.instance.caller, ReadData { scope: place.scope.clone(), verb: asked.verb }).await
    }

    /// INVARIANT: the declaration is looked up after the permit, and the commit compares the permit's epoch: nothing is
    /// ever stored by a declaration that another release has replaced.
    async fn may_write(&self, asked: &Asked<'_>) -> Result<(Permit<WriteData>, Place), Error> {
        let known = self.place(asked)?;
        let permit = self.permit(&asked.instance.caller, WriteData { scope: known.scope, verb: asked.verb }).await?;
        Ok((permit, self.place(asked)?))
    }

    /// Nothing is shown that could not be recorded.
    fn read(&self, permit: Permit<ReadData>, asked: &Asked<'_>, more: (&str, Value)) -> Result<(), Error> {
        let detail = json!({ "collection": asked.name, "verb": asked.verb.as_str(), more.0: more.1 });
        self.store.access(permit, Outcome::Allowed, detail)?;
        Ok(())
    }

    /// What an app was refused by its own declaration, so that its log and the record tell.
    fn note_refusal(&self, asked: &Asked<'_>, problem: &Problem) {
        let known =
            self.memory.find(&asked.instance.app).is_some_and(|opened| opened.collections.contains_key(asked.name));
        let name = if known { asked.name } else { UNKNOWN };
        let (scope, verb) = (self.scope(asked.instance, name), asked.verb);
        let detail = json!({ "collection": name, "verb": verb.as_str(), "code": problem.code });
        match verb {
            Verb::Insert | Verb::Update | Verb::Delete => self.note(asked, WriteData { scope, verb }, detail),
            Verb::Get | Verb::List | Verb::Count | Verb::Export => self.note(asked, ReadData { scope, verb }, detail),
        }
    }

    /// One by one at first, then counted: an event by the app itself, for each minute.
    fn note<A: Act>(&self, asked: &Asked<'_>, act: A, detail: Value) {
        if !asked.opened.noted.alone(&asked.instance.id) {
            return self.count_refusal(asked, A::RULE.name, &act.target());
        }
        // What cut the app is in the record.
        let Ok(permit) = self.authority.decide(&asked.instance.caller, act) else { return };
        if let Err(error) = self.store.access(permit, Outcome::Denied, detail) {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    }

    fn count_refusal(&self, asked: &Asked<'_>, action: &'static str, target: &Target) {
        let app = Caller::new(self.config.tenant.clone(), Who::App(asked.instance.app.clone()));
        self.store.count(&app, action, target, Outcome::Denied);
    }

    async fn get(&self, asked: &Asked<'_>, id: &str) -> Result<Reply, Error> {
        let place = self.place(asked)?;
        let permit = self.may_read(asked, &place).await?;
        if !is_id(id) {
            return Err(place.collection.not_found().into());
        }
        let found = Record::find(&self.store, &self.keys, &place.scope, id, self.clock.now()).await?;
        self.read(permit, asked, ("record", json!(id)))?;
        let (record, _) = found.ok_or_else(|| place.collection.not_found())?;
        Ok(Reply::Found(record.shown(&place.collection)))
    }

    async fn list(&self, asked: &Asked<'_>, question: Value) -> Result<Reply, Error> {
        let place = self.place(asked)?;
        let permit = self.may_read(asked, &place).await?;
        let query = Query::of(&self.keys, &place.scope, &place.collection, question)?;
        let page = query.page(&self.store, &self.keys, &place.scope, self.clock.now()).await?;
        self.read(permit, asked, ("records", json!(page.records.len())))?;
        let items: Vec<Value> = page.records.into_iter().map(|record| record.shown(&place.collection)).collect();
        Ok(Reply::Found(json!({ "items": items, "next": page.next })))
    }

    async fn count(&self, asked: &Asked<'_>, question: Value) -> Result<Reply, Error> {
        let place = self.place(asked)?;
        let permit = self.may_read(asked, &place).await?;
        let query = Query::counting(&self.keys, &place.scope, &place.collection, question)?;
        let count = query.count(&self.store, &place.scope, self.clock.now()).await?;
        self.read(permit, asked, ("records", json!(count)))?;
        Ok(Reply::Found(json!({ "count": count })))
    }

    async fn insert(&self, asked: &Asked<'_>, fields: &Value) -> Result<Reply, Error> {
        let (permit, Place { scope, collection }) = self.may_write(asked).await?;
        let record = Record::new(collection.checked(fields.clone())?);
        let person = asked.instance.caller.person();
        let (_, mut tx) = self.store.write(permit).await?;
        record.insert(&mut tx, &self.keys, &scope, &collection, person).await?;
        tx.commit(written(asked, &record.id, Some(record.version)), None).await?;
        Ok(Reply::Created(record.shown(&collection)))
    }

    async fn update(&self, asked: &Asked<'_>, id: &str, changes: &Value, version: Option<u64>) -> Result<Reply, Error> {
        let (permit, Place { scope, collection }) = self.may_write(asked).await?;
        let version = version.ok_or_else(|| collection.version_missing())?;
        let changes = collection.checked(changes.clone())?;
        let now = self.clock.now();
        let found = if is_id(id) { Record::find(&self.store, &self.keys, &scope, id, now).await? } else { None };
        let (before, bytes) = found.ok_or_else(|| collection.not_found())?;
        if before.version != version {
            return Err(collection.conflict().into());
        }
        let record = before.changed(&collection, &changes)?;
        let (_, mut tx) = self.store.write(permit).await?;
        if !record.update(&mut tx, &self.keys, &scope, &collection, &changes, bytes).await? {
            drop(tx);
            let still = Record::find(&self.store, &self.keys, &scope, id, now).await?;
            return Err(still.map_or_else(|| collection.not_found(), |_| collection.conflict()).into());
        }
        tx.commit(written(asked, id, Some(record.version)), None).await?;
        Ok(Reply::Found(record.shown(&collection)))
    }

    async fn delete(&self, asked: &Asked<'_>, id: &str) -> Result<Reply, Error> {
        let (permit, Place { scope, collection }) = self.may_write(asked).await?;
        if !is_id(id) {
            return Err(collection.not_found().into());
        }
        let (_, mut tx) = self.store.write(permit).await?;
        if !Record::delete(&mut tx, &scope, id).await? {
            return Err(collection.not_found().into());
        }
        tx.commit(written(asked, id, None), None).await?;
        Ok(Reply::Gone)
    }

    /// All of a collection, for someone of a group that the manifest names, with a second factor. Recorded before it is
    /// given, with how many records it has; so is a refusal.
    async fn export(&self, asked: &Asked<'_>) -> Result<Reply, Error> {
        let known = self.place(asked)?;
        let permit = self.permit(&asked.instance.caller, ExportData { scope: known.scope, verb: asked.verb }).await?;
        // As for what is written: by the declaration that holds with the permit.
        let Place { scope, collection } = self.place(asked)?;
        let taken = match self.may_take_out(asked.instance, &collection) {
            Ok(()) => self.everything(asked, &scope, &collection).await,
            Err(problem) => Err(problem.into()),
        };
        let detail =
            |more: (&str, Value)| json!({ "collection": asked.name, "verb": asked.verb.as_str(), more.0: more.1 });
        match taken {
            Ok((records, text, export)) => {
                self.store.record(permit, Outcome::Allowed, detail(("records", json!(records)))).await?;
                Ok(Reply::Taken(text, export))
            }
            Err(Error::Refused(problem)) if !asked.opened.noted.alone(&asked.instance.id) => {
                let (_, spent) = permit.spend();
                self.count_refusal(asked, spent.rule().name, spent.target());
                Err(Error::Refused(problem))
            }
            Err(Error::Refused(problem)) => {
                self.store.record(permit, Outcome::Denied, detail(("code", json!(problem.code)))).await?;
                Err(Error::Refused(problem))
            }
            Err(other) => Err(other),
        }
    }

    fn may_take_out(&self, instance: &Instance, collection: &Collection) -> Result<(), Problem> {
        let (groups, now) = (&collection.declared.export, self.clock.now());
        if groups.is_empty() {
            return Err(collection.export_of_nobody());
        }
        let Some(person) = instance.caller.person() else { return Err(collection.export_for_nobody()) };
        let facts = self.authority.facts(&self.config.tenant);
        // A group that has ended counts no more, even before its row is gone.
        let known = facts.people.get(person).map(|person| person.at(now));
        if !known.is_some_and(|person| groups.iter().any(|group| person.is_in(group))) {
            return Err(collection.export_group());
        }
        let fresh = instance.proved.is_some_and(|at| now.is_within(SECOND_FACTOR_FRESH, at));
        if fresh { Ok(()) } else { Err(collection.export_factor()) }
    }

    /// Page by page, as long as it fits into one answer: how many records, the answer, and its place among exports.
    async fn everything(
        &self,
        asked: &Asked<'_>,
        scope: &Scope,
        collection: &Collection,
    ) -> Result<(usize, Vec<u8>, Exporting), Error> {
        let export = self.room.export(&asked.opened.places, EXPORT_ROOM_BYTES).await;
        let export = export.ok_or_else(|| collection.export_busy())?;
        let (mut records, mut bytes, mut after) = (0, b"[".to_vec(), None);
        loop {
            let question = json!({ "limit": collection.declared.rows, "after": after });
            let query = Query::of(&self.keys, scope, collection, question)?;
            let page = query.page(&self.store, &self.keys, scope, self.clock.now()).await?;
            for record in page.records {
                if records > 0 {
                    bytes.push(b',');
                }
                serde_json::to_writer(&mut bytes, &record.shown(collection))?;
                records += 1;
            }
            if bytes.len() > EXPORT_BYTES_MAX {
                return Err(collection.export_large(EXPORT_BYTES_MAX).into());
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        bytes.push(b']');
        Ok((records, bytes, export))
    }
}

/// Room that is taken before an answer is made.
const fn answer_bytes_max(verb: Verb) -> usize {
    match verb {
        Verb::Get | Verb::Insert | Verb::Update => ONE_BYTES_MAX,
        Verb::List => LIST_BYTES_MAX,
        // An export takes its room with its place.
        Verb::Count | Verb::Delete | Verb::Export => WORD_BYTES_MAX,
    }
}

fn told_of(instance: &Instance, error: &Error, held: Option<Held>) -> Response<Full<Bytes>> {
    let problem = Problem::from(error);
    if matches!(error, Error::Seal(_) | Error::Json(_)) || matches!(problem.kind, ProblemKind::Internal) {
        tracing::error!(app = %instance.app.id, error = error as &dyn std::error::Error, "data");
    }
    told(&problem, held)
}

fn written(asked: &Asked<'_>, id: &str, version: Option<u64>) -> Value {
    json!({ "collection": asked.name, "verb": asked.verb.as_str(), "record": id, "version": version })
}
